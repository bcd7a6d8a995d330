import { describe, expect, test } from "vitest";
import { sym } from "../../graph/dim.ts";
import { type AttentionAttrs, cachedAttention } from "../../graph/ops/attention.ts";
import { compare, error, type Feed, noise, type Trial } from "../compare.testing.ts";

interface Setting {
  heads: number;
  kvHeads: number;
  headSize: number;
  rotary: AttentionAttrs["rotary"];
  batch: number;
  /** The past length of each row. */
  past: number[];
  tokens: number;
  capacity: number;
  rotated?: number;
  window?: number;
  chunk?: number;
  softcap?: number;
  sinks?: true;
  /** The number of tokens before the bound part of the cache. */
  start?: number;
}

function trial(s: Setting): Trial {
  const { heads, kvHeads, headSize, batch, tokens, capacity } = s;
  const width = (heads + 2 * kvHeads) * headSize;
  const { rotated = headSize } = s;
  const { start } = s;
  const rows = capacity + (start ?? 0);
  const angles = noise(11, [rows, rotated / 2]).data as Float32Array;
  const table = (f: (v: number) => number): Feed => ({
    dtype: "f32",
    shape: [rows, rotated / 2],
    data: Float32Array.from(angles, (v) => f(3 * v)),
  });
  const lengths = s.past.map((p) => p + tokens - 1);
  const symbolic = [sym("batch"), kvHeads, sym("capacity"), headSize];
  const { rotary, window, chunk, softcap, sinks } = s;
  const scale = 1 / Math.sqrt(headSize);
  const attrs = { heads, kvHeads, headSize, scale, rotary, rotated, window, chunk, softcap, sinks, past: sym("past") };
  return {
    inputs: {
      qkv: noise(1, [batch, tokens, width], [sym("batch"), sym("tokens"), width]),
      pastKey: noise(2, [batch, kvHeads, capacity, headSize], symbolic),
      pastValue: noise(3, [batch, kvHeads, capacity, headSize], symbolic),
      lengths: { dtype: "i32", shape: [batch], data: lengths, symbolic: [sym("batch")] },
      total: { dtype: "i32", shape: [], data: [Math.max(...lengths) + 1] },
      ...(start !== undefined && { positions: positionsAfter(start, s) }),
    },
    constants: {
      ...(s.rotary !== "none" && { cos: table(Math.cos), sin: table(Math.sin) }),
      // Some sinks are far above the scores, some far below.
      ...(sinks && { sinks: { dtype: "f32", shape: [heads], data: [2, -3, 0.5, 30, -30, 1].slice(0, heads) } }),
    },
    bindings: { batch, tokens, capacity, past: Math.max(...s.past) },
    inPlace: { presentKey: "pastKey", presentValue: "pastValue" },
    trace(t) {
      const { positions } = t;
      const cache = { pastKey: t.pastKey!, pastValue: t.pastValue!, lengths: t.lengths!, total: t.total!, positions };
      const tables = t.cos && t.sin ? { cos: t.cos, sin: t.sin } : undefined;
      return { ...cachedAttention(t.qkv!, cache, tables, attrs, t.sinks) };
    },
  };
}

function positionsAfter(start: number, { batch, past, tokens }: Setting): Feed {
  const at = (i: number) => start + past[Math.floor(i / tokens)]! + (i % tokens);
  const data = Array.from({ length: batch * tokens }, (_, i) => at(i));
  return { dtype: "i64", shape: [batch, tokens], data, symbolic: [sym("batch"), sym("tokens")] };
}

const shapes = [
  { heads: 1, kvHeads: 1, headSize: 16 },
  { heads: 4, kvHeads: 4, headSize: 48 },
  { heads: 6, kvHeads: 2, headSize: 32 },
  { heads: 9, kvHeads: 3, headSize: 64 },
];
const lengths = [
  { past: 0, tokens: 1, capacity: 8 },
  { past: 0, tokens: 7, capacity: 8 },
  { past: 5, tokens: 1, capacity: 6 },
  { past: 3, tokens: 4, capacity: 128 },
  { past: 33, tokens: 17, capacity: 50 },
];

async function check(setting: Setting): Promise<void> {
  const outcome = await compare(trial(setting));
  expect(Object.keys(outcome)).toEqual(["y", "presentKey", "presentValue"]);
  for (const o of Object.values(outcome)) expect(error(o)).toBeLessThan(1e-5);
}

describe.each(shapes)("$heads query and $kvHeads key-value heads of $headSize", (shape) => {
  describe.each(["interleaved", "half", "none"] as const)("rotary: %s", (rotary) => {
    test.each(lengths)("$tokens tokens after $past in $capacity, written in place", async ({ past, ...rest }) => {
      await check({ ...shape, rotary, ...rest, batch: 1, past: [past] });
      // The kernel does not support a batch of sequences that each have a past and several new tokens.
      if (past === 0 || rest.tokens === 1) await check({ ...shape, rotary, ...rest, batch: 2, past: [past, past] });
    });
  });
});

describe("rows of different lengths", () => {
  const shape = { heads: 6, kvHeads: 2, headSize: 32, rotary: "interleaved" as const, batch: 3, capacity: 40 };

  test("one new token each", async () => {
    await check({ ...shape, past: [1, 7, 31], tokens: 1 });
    await check({ ...shape, past: [0, 12, 39], tokens: 1 });
  });

  test("several new tokens each after a past are refused by the kernel, in words", async () => {
    await expect(check({ ...shape, past: [2, 9, 30], tokens: 5 })).rejects.toThrow("batch_size must be 1");
  });
});

describe("a sliding window", () => {
  test.each([1, 2, 5, 16, 49, 50, 51, 1000])("of %d keys", async (window) => {
    for (const { past, ...rest } of lengths)
      await check({ ...shapes[2]!, rotary: "half", ...rest, batch: 1, past: [past], window });
    await check({ ...shapes[2]!, rotary: "half", batch: 3, past: [1, 7, 31], tokens: 1, capacity: 40, window });
  });
});

describe("chunks", () => {
  test.each([1, 2, 5, 16, 50, 1000])("of %d positions, with a window and sinks, and without", async (chunk) => {
    for (const more of [{}, { window: chunk }, { window: chunk, sinks: true } as const]) {
      const shape = { ...shapes[2]!, rotary: "half", chunk, ...more } as const;
      for (const { past, ...rest } of lengths) await check({ ...shape, ...rest, batch: 1, past: [past] });
      await check({ ...shape, batch: 3, past: [1, 7, 31], tokens: 1, capacity: 40 });
      await check({ ...shape, batch: 2, past: [0, 0], tokens: 7, capacity: 8 });
    }
  });

  test.each([3, 16])("of a cache bound from token %d on", async (start) => {
    for (const chunk of [2, 4, 7]) {
      const shape = { ...shapes[2]!, rotary: "interleaved", window: chunk, chunk, start } as const;
      for (const { past, ...rest } of lengths) await check({ ...shape, ...rest, batch: 1, past: [past] });
      await check({ ...shape, batch: 3, past: [1, 7, 31], tokens: 1, capacity: 40 });
    }
  });
});

describe.each(["half", "interleaved"] as const)("a cache bound from a later token on, pairs %s", (rotary) => {
  test.each([1, 16, 64])("%d tokens before", async (start) => {
    for (const { past, ...rest } of lengths)
      await check({ ...shapes[2]!, rotary, ...rest, batch: 1, past: [past], window: 4, start });
    await check({ ...shapes[2]!, rotary, batch: 3, past: [1, 7, 31], tokens: 1, capacity: 40, window: 4, start });
  });
});

test.each([0.5, 3, 50])("scores capped at %d, with and without a window", async (softcap) => {
  for (const { past, ...rest } of lengths)
    for (const window of [undefined, 4])
      await check({
        ...{ ...shapes[2]!, rotary: "half", ...rest, batch: 1, past: [past], softcap },
        ...(window && { window }),
      });
});

test.each(["half", "none"] as const)("a sink in each head, with and without a window, rotary: %s", async (rotary) => {
  const shape = { heads: 6, kvHeads: 2, headSize: 32, rotary, sinks: true } as const;
  for (const window of [undefined, 4]) {
    const windowed = window ? { window } : {};
    for (const { past, ...rest } of lengths) await check({ ...shape, ...rest, batch: 1, past: [past], ...windowed });
    await check({ ...shape, batch: 3, past: [1, 7, 31], tokens: 1, capacity: 40, ...windowed });
    await check({ ...shape, batch: 2, past: [0, 0], tokens: 7, capacity: 8, ...windowed });
  }
});

test("sinks and a cache bound from a later token on", async () => {
  const shape = { heads: 6, kvHeads: 2, headSize: 32, rotary: "half", sinks: true, window: 4, start: 16 } as const;
  await check({ ...shape, batch: 1, past: [3], tokens: 4, capacity: 128 });
  await check({ ...shape, batch: 3, past: [1, 7, 31], tokens: 1, capacity: 40 });
});

test.each(["half", "interleaved"] as const)("only a part of each head rotated, pairs %s", async (rotary) => {
  for (const rotated of [16, 32])
    for (const { past, ...rest } of lengths)
      await check({ heads: 4, kvHeads: 2, headSize: 48, rotary, ...rest, batch: 1, past: [past], rotated });
});

test("without rotary, heads of a multiple of 8", async () => {
  await check({ heads: 2, kvHeads: 1, headSize: 40, rotary: "none", batch: 1, past: [3], tokens: 4, capacity: 9 });
});

test("past and present in two buffers: the past is copied", async () => {
  const { inPlace: _, ...apart } = trial({
    ...shapes[2]!,
    rotary: "half",
    batch: 1,
    past: [5],
    tokens: 3,
    capacity: 8,
  });
  const outcome = await compare(apart);
  expect(error(outcome.y!)).toBeLessThan(1e-5);
  expect(error(outcome.presentKey!)).toBeLessThan(1e-5);
});
