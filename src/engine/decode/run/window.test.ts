/** Windows much shorter than the text, in the tiny Gemma 3: 5 of 6 layers see 8 tokens. */
import { Buffer as Bytes } from "node:buffer";
import { copyFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { openDecoder } from "../../../models/registry.ts";
import { KvRows } from "../../../models/state/cache.ts";
import { planOf } from "../../../savings/plan.ts";
import type { AttentionSaving } from "../../../savings/seams.ts";
import { openCheckpoint } from "../../../weights/checkpoint.ts";
import { Meter } from "../../bill/meter.ts";
import { Likelihoods } from "../score/likelihood.ts";
import type { Slot } from "../state/slot.ts";
import { compareWithAlone, texts } from "./batch.testing.ts";
import { chunkAfter } from "./chunk.ts";
import { Engine } from "./engine.ts";

/** transformers' results in float32: tools/reference/window.py. */
const fixture = fileURLToPath(new URL("../../../models/fixtures/gemma3", import.meta.url));
const { context, tokens, at, logits } = JSON.parse(readFileSync(path.join(fixture, "window.json"), "utf8")) as {
  context: number;
  tokens: number[];
  at: number[];
  logits: string;
};
const expected = new Float32Array(new Uint8Array(Bytes.from(logits, "base64")).buffer);

const folder = mkdtempSync(path.join(tmpdir(), "modicum-window-"));
copyFileSync(path.join(fixture, "model.safetensors"), path.join(folder, "model.safetensors"));
const config = JSON.parse(readFileSync(path.join(fixture, "config.json"), "utf8"));
writeFileSync(path.join(folder, "config.json"), JSON.stringify({ ...config, max_position_embeddings: context }));

const open: Engine[] = [];
async function create(): Promise<Engine> {
  const { decoder, weights } = await openDecoder(
    openCheckpoint(folder),
    path.join(folder, `prepared${open.length}`),
    "f32",
  );
  const engine = await Engine.create(decoder, weights);
  open.push(engine);
  return engine;
}
afterAll(() => {
  for (const engine of open) engine[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});
afterEach(() => void vi.restoreAllMocks());

const meterOf = (engine: Engine) => new Meter(engine.programs);
const difference = (a: ArrayLike<number>, b: ArrayLike<number>): number =>
  Array.from(a).reduce((worst, v, i) => Math.max(worst, Number.isNaN(v) ? Infinity : Math.abs(v - b[i]!)), 0);

/** Logits after a prompt of `length` tokens and each following token up to `end`, on an empty slot. */
async function run(engine: Engine, length: number, end: number): Promise<{ rows: Float32Array[]; slot: Slot }> {
  const prompt = tokens.slice(0, length);
  const slot = engine.acquire(prompt);
  slot.truncate(0);
  const meter = meterOf(engine);
  const rows = [(await engine.prefill(slot, prompt, meter)).slice()];
  for (const token of tokens.slice(length, end)) rows.push((await engine.step(slot, token, meter)).slice());
  return { rows, slot };
}

let engine: Engine;
beforeAll(async () => {
  engine = await create();
});

/** Overwrites freed memory with numbers that would show up in any sum. */
function poison(this: KvRows, _layers: readonly number[], _first: number, gone: number): void {
  const { kvHeads, headSize } = this.config;
  for (const layer of [0, 1, 2, 3, 4])
    for (let head = 0; head < kvHeads; head++) {
      const { key, value, offset } = this.place(layer, head, 0);
      for (const { memory } of [key, value]) new Float32Array(memory, 4 * offset, gone * headSize).fill(Number.NaN);
    }
}

test("prompts in chunks, and tokens one by one: logits equal transformers'", async () => {
  let compared = 0;
  for (const [length, end] of [...at.filter((i) => i < 1200).map((i) => [i + 1, i + 1]), [1200, tokens.length]]) {
    const { rows, slot } = await run(engine, length!, end!);
    engine.release(slot);
    for (const [r, i] of at.entries())
      if (i >= length! - 1 && i < end!) {
        compared++;
        expect(difference(rows[i + 1 - length!]!, expected.subarray(72 * r, 72 * (r + 1)))).toBeLessThan(1e-4);
      }
  }
  expect(compared).toBeGreaterThanOrEqual(at.length);
});

test("what was given back is not read again: kept, zero or not a number, the logits are the same to the last bit", async () => {
  const ways = { given: undefined, kept: () => {}, poisoned: poison };
  const results: Float32Array[][] = [];
  for (const way of Object.values(ways)) {
    const spy = vi.spyOn(KvRows.prototype, "giveBack");
    if (way) spy.mockImplementation(way);
    const { rows, slot } = await run(engine, 1000, 1300);
    expect(spy.mock.calls.map(([, , gone]) => gone).slice(-2)).toEqual([704, 768]);
    vi.restoreAllMocks();
    slot.truncate(0);
    engine.release(slot);
    results.push(rows);
  }
  for (const rows of results.slice(1))
    for (const [i, row] of rows.entries()) expect(difference(row, results[0]![i]!)).toBe(0);
});

test.runIf(process.platform === "linux")(
  "of layers with a window the cache holds its end alone, of others all",
  async () => {
    const { slot } = await run(engine, 1400, 1500);
    const { capacity, config } = slot.cache;
    const written = (layer: number): boolean[] => {
      const { key, offset } = slot.cache.place(layer, 0, 0);
      const head = new Float32Array(key.memory, 4 * offset, capacity * config.headSize);
      return Array.from({ length: capacity }, (_, t) => head.subarray(t * 16, (t + 1) * 16).some((v) => v !== 0));
    };
    // A window of 8 tokens, 512 tokens that can be rolled back, and steps of 64; less than two pages of 64 tokens are
    // shared with neighbours.
    for (const layer of [0, 4]) {
      const cells = written(layer);
      expect(cells.slice(1500 - 8 - 512, 1500)).not.toContain(false);
      expect(cells.filter((w) => w).length).toBeLessThan(8 + 512 + 64 + 2 * 64);
    }
    expect(written(5).filter((w) => w).length).toBe(1500);
    engine.release(slot);
  },
);

test("rows of very different length have the logits that they have alone", async () => {
  const spy = vi.spyOn(KvRows.prototype, "giveBack");
  await compareWithAlone(engine, texts(7, 72, 1000, 40));
  expect(spy).toHaveBeenCalled();
});

describe("a prompt that shares its beginning with what is in the cache", () => {
  async function resume(length: number, shared: number, end: number) {
    const fresh = await create();
    engine.forget();
    const other = (i: number) => 3 + ((tokens[i]! + 1) % 60);
    const prompt = Array.from({ length: end }, (_, i) => (i < shared ? tokens[i]! : other(i)));
    const { slot } = await run(engine, length, length);
    engine.release(slot);
    const again = engine.acquire(prompt);
    const cached = again.tokens.length;
    const meter = meterOf(engine);
    const got = (await engine.prefill(again, prompt, meter)).slice();
    engine.release(again);
    const freshMeter = meterOf(fresh);
    const wanted = await fresh.prefill(fresh.acquire(prompt), prompt, freshMeter);
    return { cached, difference: difference(got, wanted), flops: meter.total().flops, whole: freshMeter.total().flops };
  }

  test.each([
    { what: "goes on where it ended", length: 1300, shared: 1300, end: 1400 },
    { what: "goes back by as much as is kept", length: 1300, shared: 1300 - 512, end: 900 },
    { what: "goes back before anything was given back", length: 500, shared: 9, end: 700 },
    { what: "is the same", length: 1300, shared: 1300, end: 1300, cached: 1299 },
  ])("$what: it goes on from there", async ({ length, shared, end, cached = shared }) => {
    const result = await resume(length, shared, end);
    expect(result.cached).toBe(cached);
    expect(result.difference).toBeLessThan(1e-4);
    expect(result.flops.spent).toBeLessThan(result.whole.spent);
  });

  test("goes back further than is kept: it runs from the beginning, bit for bit, and its bill says so", async () => {
    const result = await resume(1300, 600, 900);
    expect(result.cached).toBe(0);
    expect(result.difference).toBe(0);
    expect(result.flops).toEqual(result.whole);
  });
});

test("continuations of one context, a long one among them: each is predicted as by itself", async () => {
  using likelihoods = await Likelihoods.create(engine);
  const context = tokens.slice(0, 300);
  const pairs = [20, 700, 30, 3].map((length, i) => ({
    context,
    continuation: tokens.slice(300 + i, 300 + i + length),
  }));
  const together = await likelihoods.ofPairs(pairs, meterOf(engine));
  for (const [i, pair] of pairs.entries()) {
    const [alone] = await likelihoods.ofPairs([pair], meterOf(engine));
    expect(together[i]!.length).toBe(pair.continuation.length);
    const nats = (actual: typeof alone) => actual!.map((f) => f.nats);
    expect(difference(nats(together[i]), nats(alone))).toBeLessThan(1e-4);
  }
});

test("pieces around each layer's attention give what the stack gives", async () => {
  const dense: AttentionSaving = {
    chunk: 256,
    chunkAfter: (past) => chunkAfter(engine.programs, past),
    attend: (call) => call.dense(),
  };
  const [whole, cut] = [meterOf(engine), meterOf(engine)];
  const prompt = tokens.slice(0, 1400);
  const slot = engine.acquire(prompt);
  slot.truncate(0);
  const wanted = (await engine.prefill(slot, prompt, whole)).slice();
  engine.release(slot);
  const plan = planOf([{ attention: () => dense }]);
  const empty = engine.acquireEmpty(prompt, plan);
  const got = await engine.prefill(empty, prompt, cut, plan);
  engine.release(empty);
  expect(difference(got, wanted)).toBeLessThan(1e-5);
  expect(cut.total()).toEqual(whole.total());
});

test("the bill of a step grows by one layer in six only", async () => {
  const step = (past: number) => {
    const meter = meterOf(engine);
    meter.layers(1, past);
    return meter.total().flops.spent;
  };
  // A key's score and its value's term in the sum take 4 operations per element, in 2 heads of 16 elements.
  const key = 4 * 2 * 16;
  expect(step(1400) - step(1400 - 64)).toBe(64 * key);
  expect(step(1401) - step(1400)).toBe(6 * key);
});
