import { Buffer as Bytes } from "node:buffer";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, describe, expect, test } from "vitest";
import { Parity } from "../../models/parity.testing.ts";
import { prepare } from "../../models/programs.ts";
import { openDecoder, openVision } from "../../models/registry.ts";
import { traceVision } from "../../models/vision-graph.ts";
import { densePlan } from "../../savings/plan.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { Meter } from "../bill/meter.ts";
import { ImageRunner } from "../image-text/image-runner.ts";
import { Engine } from "../run/engine.ts";
import { type PromptSpan, promptOfSpans } from "../run/spans.ts";

/** transformers' results in float32: tools/reference/vision_language.py. */
const fixture = (name: string) => fileURLToPath(new URL(`../../models/fixtures/${name}`, import.meta.url));
const prepared = mkdtempSync(path.join(tmpdir(), "modicum-vision-"));
afterAll(() => rmSync(prepared, { recursive: true }));

const floats = (packed: string) => new Float32Array(new Uint8Array(Bytes.from(packed, "base64")).buffer);
const worst = (a: Float32Array, b: Float32Array) => {
  expect(a.length).toBe(b.length);
  return Math.max(...a.map((v, i) => Math.abs(v - b[i]!)));
};

const names = ["idefics3", "llava", "llava-qwen2", "llava-siglip", "smolvlm"];
/** The worst difference of each fixture's logits. */
const found = new Map<string, number>();

describe.each(names)("%s", (name) => {
  const reference = JSON.parse(readFileSync(path.join(fixture(name), "vision-language.json"), "utf8"));
  const tokens: number[] = reference.tokens;
  const [pixels, rows, logits] = [floats(reference.pixels), floats(reference.rows), floats(reference.logits)];
  const checkpoint = openCheckpoint(fixture(name));
  const folder = path.join(prepared, name);

  test("an image's rows, and logits behind two images, equal transformers'", async () => {
    const { vision, weights } = openVision(checkpoint, folder, "f32");
    const [graph] = prepare(weights, () => [traceVision(vision)]);
    using runner = await ImageRunner.compile(graph!, vision.encoder.config, [vision.tokens, vision.config.hidden]);
    const size = pixels.length / 2;
    const images = [await runner.run(pixels.subarray(0, size)), await runner.run(pixels.subarray(size))];
    expect(worst(Float32Array.from(images.flatMap((each) => [...each])), rows)).toBeLessThan(1e-4);

    const { decoder, weights: own } = openDecoder(checkpoint, folder, "f32");
    using engine = await Engine.create(decoder, own);
    const { prompt, embeddings } = promptOfSpans(spansOf(tokens, vision.config.imageToken, images, name), 32);
    const slot = engine.acquire(prompt);
    const all: number[] = [];
    for await (const run of engine.runs(slot, prompt, {
      plan: densePlan,
      meter: new Meter(engine.programs),
      embeddings,
    }))
      for (let i = 0; i < run.tokens; i++) all.push(...(await slot.logitsOf(await run.rows(i, 1))));
    engine.release(slot);
    found.set(`${name} safetensors`, worst(Float32Array.from(all), logits));
    expect(found.get(`${name} safetensors`)).toBeLessThan(1e-4);
  });
});

/** The table of docs/models.md; `PARITY=write` in the environment writes the measured values into it. */
test("docs/models.md states these differences", () => {
  const doc = fileURLToPath(new URL("../../../docs/models.md", import.meta.url));
  const stated = new Parity(readFileSync(doc, "utf8"), "vision and language");
  if (process.env["PARITY"] === "write") writeFileSync(doc, stated.with(names, found));
  else for (const name of names) stated.check(name, "safetensors", found.get(`${name} safetensors`)!);
});

/** The prompt with each run of image tokens as the next image. */
function spansOf(
  tokens: readonly number[],
  imageToken: number,
  images: readonly Float32Array[],
  name: string,
): PromptSpan[] {
  const spans: PromptSpan[] = [];
  for (const [i, token] of tokens.entries()) {
    if (token !== imageToken) spans.push([token]);
    else if (tokens[i - 1] !== imageToken) {
      const embeddings = images[spans.filter((span) => "embeddings" in span).length]!;
      spans.push({ embeddings, contentHash: `${name} ${i}` });
    }
  }
  return spans;
}
