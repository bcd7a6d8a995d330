import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { openDecoder } from "../../../models/registry.ts";
import { Buffer } from "../../../runtime/buffer.ts";
import { densePlan } from "../../../savings/plan.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { Meter } from "../../bill/meter.ts";
import { Engine } from "./engine.ts";
import { promptOfSpans, type SpannedPrompt } from "./spans.ts";

const fixture = (name: string) => fileURLToPath(new URL(`../../../models/fixtures/${name}`, import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), "modicum-spans-"));
afterAll(() => rmSync(folder, { recursive: true }));

describe.each(["llama-tiny.gguf", "gemma3/model.safetensors"])("%s", (file) => {
  let engine: Engine;
  beforeAll(async () => {
    const { decoder, weights } = await openDecoder(
      openCheckpoint(fixture(file)),
      path.join(folder, path.dirname(file)),
      "f32",
    );
    engine = await Engine.create(decoder, weights);
  });
  afterAll(() => engine[Symbol.dispose]());

  const image = Array.from({ length: 12 }, (_, i) => 5 + ((i * 7) % 40));
  const [before, after] = [
    [3, 9, 11, 5, 8, 13, 21, 34, 7, 6],
    [20, 4, 6, 33],
  ];

  /** The model's embedding of tokens. */
  async function embedded(ids: readonly number[]): Promise<Float32Array> {
    const { programs } = engine;
    const { hidden } = programs.decoder.config;
    using tokens = new Buffer("i64", ids.length);
    using lengths = new Buffer("i32", 1);
    using rows = new Buffer("f32", ids.length * hidden);
    new BigInt64Array(tokens.memory).set(ids.map(BigInt));
    const binding = { ids: tokens.view([1, ids.length]), lengths: lengths.view([1]) };
    await programs.embedding.bind({ ...binding, branchOut: rows.view([1, ids.length, hidden]) }).run();
    return new Float32Array(rows.memory).slice();
  }

  async function run({ prompt, embeddings }: Omit<SpannedPrompt, "visual">) {
    const slot = engine.acquire(prompt);
    const cached = slot.tokens.length;
    const meter = new Meter(engine.programs);
    try {
      for await (const logits of engine.chunks(slot, prompt, { plan: densePlan, meter, embeddings }))
        if (logits) return { cached, logits: logits.slice() };
    } finally {
      engine.release(slot);
    }
    throw new Error("no logits");
  }

  const worst = (a: Float32Array, b: Float32Array) => Math.max(...a.map((v, i) => Math.abs(v - b[i]!)));

  test("rows that the embedding gives for tokens are those tokens", async () => {
    const { hidden } = engine.programs.decoder.config;
    const ids = await run({ prompt: [...before, ...image, ...after], embeddings: new Map() });
    engine.forget();
    const spans = [before, { embeddings: await embedded(image), contentHash: `${file} a` }, after];
    const rows = await run(promptOfSpans(spans, hidden));
    expect(worst(rows.logits, ids.logits)).toBe(0);
  });

  test("the same content shares a prefix; another, behind the same tokens, never does", async () => {
    const { hidden } = engine.programs.decoder.config;
    const [one, two] = [await embedded(image), await embedded(image.map((id) => id + 1))];
    const of = (embeddings: Float32Array, contentHash: string) =>
      promptOfSpans([before, { embeddings, contentHash }, after], hidden);
    engine.forget();
    const fresh = await run(of(two, `${file} two`));
    engine.forget();
    expect((await run(of(one, `${file} one`))).cached).toBe(0);
    expect((await run(of(one, `${file} one`))).cached).toBe(before.length + image.length + after.length - 1);
    const other = await run(of(two, `${file} two`));
    expect(other.cached).toBe(before.length);
    expect(worst(other.logits, fresh.logits)).toBeLessThan(1e-5);
  });

  test("steps follow such a prompt as any other", async () => {
    const { hidden } = engine.programs.decoder.config;
    const spans = [before, { embeddings: await embedded(image), contentHash: `${file} a` }, after];
    const results: Float32Array[] = [];
    for (const { prompt, embeddings } of [
      promptOfSpans(spans, hidden),
      { prompt: [...before, ...image, ...after], embeddings: new Map() },
    ]) {
      engine.forget();
      const slot = engine.acquire(prompt);
      const meter = new Meter(engine.programs);
      for await (const _ of engine.chunks(slot, prompt, { plan: densePlan, meter, embeddings }));
      results.push((await engine.step(slot, 9, meter)).slice());
      engine.release(slot);
    }
    expect(worst(results[0]!, results[1]!)).toBe(0);
  });
});

test("rows of another width, and one hash for two contents, are refused", () => {
  expect(() => promptOfSpans([{ embeddings: new Float32Array(7), contentHash: "odd" }], 4)).toThrow(
    "embeddings have 7 numbers, expected rows of the model's width, 4",
  );
  promptOfSpans([{ embeddings: new Float32Array(8), contentHash: "twice" }], 4);
  expect(() => promptOfSpans([{ embeddings: new Float32Array(4), contentHash: "twice" }], 4)).toThrow(
    "the content hash twice had 2 rows before, and now has 1",
  );
});

test("images are where their spans begin; a grid of another size is refused", () => {
  const image = { embeddings: new Float32Array(24), contentHash: "grid", grid: [2, 3] as const };
  const { visual } = promptOfSpans(
    [[1, 2], image, [3], { embeddings: new Float32Array(8), contentHash: "row" }, image],
    4,
  );
  expect(visual).toEqual([
    { first: 2, grid: [2, 3] },
    { first: 11, grid: [2, 3] },
  ]);
  expect(() => promptOfSpans([{ ...image, grid: [2, 2] }], 4)).toThrow(
    "an image has a grid of 2×2, but 6 rows of embeddings",
  );
});
