import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, expect, test } from "vitest";
import { openDecoder } from "../../../models/registry.ts";
import { densePlan, type Plan } from "../../../savings/plan.ts";
import { normals } from "../../../util/normals.ts";
import { seededRandom } from "../../../util/random.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { Meter } from "../../bill/meter.ts";
import { fixtures } from "../../images/pixels/pictures.testing.ts";
import type { Slot } from "../state/slot.ts";
import { Engine } from "./engine.ts";
import { type EmbeddedSpan, type PromptSpan, promptOfSpans } from "./spans.ts";
import { tokenLogits } from "./stepped.ts";

const HIDDEN = 32;
const WIDTH = 3 * HIDDEN;
const folder = mkdtempSync(path.join(tmpdir(), "modicum-additions-"));
let engine: Engine;
beforeAll(async () => {
  const { decoder, weights } = await openDecoder(openCheckpoint(path.join(fixtures, "qwen3-vl")), folder, "f32");
  engine = await Engine.create(decoder, weights);
});
afterAll(() => {
  engine[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

const normal = normals(seededRandom(5));
const image = (rows: number, columns: number): EmbeddedSpan => ({
  embeddings: Float32Array.from({ length: rows * columns * WIDTH }, normal),
  contentHash: `additions ${rows} × ${columns}`,
  grid: [rows, columns],
});

/** The logits after a prompt; its slot stays in use. */
async function run(spans: readonly PromptSpan[], plan: Plan = densePlan, slot?: Slot) {
  const { prompt, embeddings } = promptOfSpans(spans, WIDTH);
  const own = slot ?? engine.acquireEmpty(prompt, plan);
  const meter = new Meter(engine.programs);
  let last: Float32Array | undefined;
  for await (const logits of engine.chunks(own, prompt, { plan, meter, embeddings }))
    last = logits && Float32Array.from(logits);
  return { slot: own, meter, last: last! };
}

const worst = (a: Float32Array, b: Float32Array) => Math.max(...a.map((v, i) => Math.abs(v - b[i]!)));

/** An image longer than a chunk, between texts. */
const long: readonly PromptSpan[] = [[1, 2, 3], image(14, 20), [4, 5]];

test("each part of an image's rows changes the answer, and nothing of them the answer to a text", async () => {
  const own = long[1] as EmbeddedSpan;
  const { last, slot } = await run(long);
  engine.release(slot);
  for (const part of [1, 2]) {
    const embeddings = own.embeddings.map((v, i) => (Math.floor((i % WIDTH) / HIDDEN) === part ? 0 : v));
    const other = await run([long[0]!, { ...own, embeddings, contentHash: `additions without ${part}` }, long[2]!]);
    expect(worst(other.last, last)).toBeGreaterThan(1e-3);
    engine.release(other.slot);
  }
});

test("a prompt that is continued within an image has the logits of one that runs whole", async () => {
  const whole = await run(long);
  engine.release(whole.slot);
  const { prompt, embeddings } = promptOfSpans(long, WIDTH);
  engine.forget();
  const slot = engine.acquireEmpty(prompt);
  const meter = new Meter(engine.programs);
  for await (const _ of engine.chunks(slot, prompt.slice(0, 150), { plan: densePlan, meter, embeddings }));
  expect(slot.reusable(prompt, "")).toBe(150);
  const { last, meter: rest } = await run(long, densePlan, slot);
  expect(worst(last, whole.last)).toBeLessThan(1e-4);
  expect(rest.tokens).toBe(prompt.length - 150);
  engine.release(slot);
});

test("unequal rows of a batch, one without an image, are as alone, and decode goes on behind the image", async () => {
  const prompts: PromptSpan[][] = [[[1, 2], image(2, 4), [3, 4]], [[1, 2, 5], image(3, 2), [3]], [[6, 7, 8]]];
  const next = [7, 8, 9];
  const begun = await Promise.all(prompts.map((spans) => run(spans)));
  const steps = begun.map(({ slot, meter }, i) => ({ slot, meter, token: next[i]! }));
  const together = await engine.stepAll(steps);
  for (const [i, spans] of prompts.entries()) {
    const { slot, last } = await run([...spans, [next[i]!]]);
    expect(worst(last, tokenLogits(together[i]!))).toBeLessThan(1e-4);
    engine.release(slot);
  }
  for (const { slot } of begun) engine.release(slot);
});

test("layers whose attention a saving computes also have the additions", async () => {
  const dense = await run(long);
  engine.release(dense.slot);
  const plan: Plan = {
    ...densePlan,
    attention: () => ({ chunk: 256, chunkAfter: () => 256, attend: ({ dense: own }) => own() }),
  };
  const { last, slot } = await run(long, plan);
  expect(worst(last, dense.last)).toBeLessThan(1e-4);
  engine.release(slot);
});
