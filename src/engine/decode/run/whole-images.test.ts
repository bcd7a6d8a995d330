/** Prompts with images whose tokens see each other; transformers' results are in ../vision/vision-parity.test.ts. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openDecoder } from "../../../models/registry.ts";
import { densePlan } from "../../../savings/plan.ts";
import { seededRandom } from "../../../util/random.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { Meter } from "../../bill/meter.ts";
import { PREFILL_CHUNK } from "./chunk.ts";
import { Engine } from "./engine.ts";
import { type PromptSpan, promptOfSpans } from "./spans.ts";
import { aheadOf, looksAhead, undividedEnd, wholeImagesIn } from "./whole-images.ts";

test("ids below 0 side by side are one image, and see its end", () => {
  const images = wholeImagesIn([5, -1, -2, -3, 6, 7, -4, -5]);
  expect(images).toEqual([
    { from: 1, to: 4 },
    { from: 6, to: 8 },
  ]);
  expect(aheadOf(images, [0, 1, 2, 3, 4, 6, 7, 8])).toEqual([0, 2, 1, 0, 0, 1, 0, 0]);
  expect(looksAhead(images, 0, 1)).toBe(false);
  expect(looksAhead(images, 0, 2)).toBe(true);
  expect(looksAhead(images, 3, 6)).toBe(false);
});

test("a chunk ends before an image that does not fit, or behind one that it begins with", () => {
  const images = [{ from: 4, to: 9 }];
  expect([3, 4, 5, 8, 9].map((end) => undividedEnd(images, 0, end))).toEqual([3, 4, 4, 4, 9]);
  expect(undividedEnd(images, 4, 6)).toBe(9);
  expect(undividedEnd(images, 6, 7)).toBe(9);
});

const fixture = fileURLToPath(new URL("../../../models/fixtures/gemma3-vision", import.meta.url));
const folder = mkdtempSync(path.join(tmpdir(), "modicum-whole-images-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** An engine for the fixture, with a longer context than its original and some changes to its configuration. */
async function engineOf(changes: object = {}): Promise<Engine> {
  const checkpoint = openCheckpoint(fixture);
  if (checkpoint.config.kind !== "huggingface") throw new Error("safetensors were expected");
  const { text_config: text, ...own } = checkpoint.config.config;
  const longer = { ...(text as object), max_position_embeddings: 1024 };
  const config = { ...checkpoint.config, config: { ...own, text_config: longer, ...changes } };
  const { decoder, weights } = await openDecoder({ ...checkpoint, config }, path.join(folder, "model"), "f32");
  return Engine.create(decoder, weights);
}

let engine: Engine;
beforeAll(async () => {
  engine = await engineOf();
});
afterAll(() => engine[Symbol.dispose]());

const random = seededRandom(3);
const text = (count: number) => Array.from({ length: count }, () => 3 + Math.floor(250 * random()));
const image = (name: string): PromptSpan => ({
  embeddings: Float32Array.from({ length: 9 * 32 }, () => 4 * random() - 2),
  contentHash: `whole images ${name}`,
});

/** An image that crosses a chunk's end, and a second one. */
const spans = [text(PREFILL_CHUNK - 6), image("a"), text(30), image("b"), text(12)];
const { prompt, embeddings } = promptOfSpans(spans, 32);
const END = PREFILL_CHUNK - 6 + 9;

async function run(of: Engine, ids: readonly number[]) {
  const slot = of.acquire(ids);
  const cached = slot.tokens.length;
  const meter = new Meter(of.programs);
  let logits = new Float32Array();
  for await (const some of of.chunks(slot, ids, { plan: densePlan, meter, embeddings }))
    if (some) logits = some.slice();
  of.release(slot);
  return { cached, logits, flops: meter.total().flops };
}

const worst = (a: Float32Array, b: Float32Array) => Math.max(...a.map((v, i) => Math.abs(v - b[i]!)));

test("an image across a chunk's end is seen whole, wherever chunks begin; dense is billed what it runs", async () => {
  engine.forget();
  const whole = await run(engine, prompt);
  expect(whole).toMatchObject({ cached: 0, flops: { spent: whole.flops.dense, overhead: 0 } });
  for (const beginning of [100, END - 9]) {
    engine.forget();
    await run(engine, prompt.slice(0, beginning));
    const rest = await run(engine, prompt);
    expect(rest).toMatchObject({ cached: beginning, flops: { spent: rest.flops.dense } });
    expect(worst(rest.logits, whole.logits)).toBeLessThan(1e-4);
  }
});

test("another question about the same image runs what is new of it alone, with the same numbers", async () => {
  const other = [...prompt.slice(0, END + 30), ...text(8)];
  engine.forget();
  const fresh = await run(engine, other);
  engine.forget();
  await run(engine, prompt);
  const again = await run(engine, other);
  expect([fresh.cached, again.cached]).toEqual([0, END + 30]);
  expect(worst(again.logits, fresh.logits)).toBeLessThan(1e-4);
});

test("without the view of what follows, an image's tokens say something else; texts say the same, to the bit", async () => {
  using causal = await engineOf({ vision_config: undefined });
  engine.forget();
  expect(worst((await run(causal, prompt)).logits, (await run(engine, prompt)).logits)).toBeGreaterThan(1e-2);
  const plain = text(PREFILL_CHUNK + 50);
  expect((await run(causal, plain)).logits).toEqual((await run(engine, plain)).logits);
});
