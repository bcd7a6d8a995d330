import { describe, expect, test } from "vitest";
import { add, sym } from "../../graph/dim.ts";
import { writeCache } from "../../graph/ops/cache.ts";
import { rotaryEmbedding } from "../../graph/ops/rotary.ts";
import { softmax } from "../../graph/ops/softmax.ts";
import { type TileTensors, tileAttention } from "../../graph/ops/tile-attention.ts";
import { type Feed, noise, type Trial, worst } from "../compare.testing.ts";

const whole = (dtype: "i32" | "i64", shape: number[], ...data: number[]): Feed => ({ dtype, shape, data });

test.each([{ shape: [1] }, { shape: [3, 7] }, { shape: [2, 3, 65] }, { shape: [1, 2, 5, 33] }])(
  "softmax of $shape, of large values too",
  async ({ shape }) => {
    const x = noise(1, shape);
    const large = { ...x, data: Float32Array.from(x.data as Float32Array, (v) => 200 * v) };
    for (const feed of [x, large])
      expect(await worst({ inputs: { x: feed }, trace: (t) => ({ y: softmax(t.x!) }) })).toBeLessThan(1e-6);
  },
);

describe.each(["interleaved", "half"] as const)("rotary embedding, %s", (pairs) => {
  test.each([
    { tokens: 1, heads: 1, size: 16, first: 0 },
    { tokens: 5, heads: 3, size: 32, first: 7 },
    { tokens: 17, heads: 2, size: 64, first: 3 },
  ])("$tokens tokens, $heads heads of $size, from position $first", async ({ tokens, heads, size, first }) => {
    const angles = noise(5, [24, size / 2]);
    const table = (f: (v: number) => number) => ({
      ...angles,
      data: Float32Array.from(angles.data as Float32Array, f),
    });
    const inputs = { x: noise(1, [1, tokens, heads * size]), first: whole("i64", [1], first) };
    const constants = { cos: table(Math.cos), sin: table(Math.sin) };
    const trace: Trial["trace"] = (t) => ({
      y: rotaryEmbedding(t.x!, t.first!, { cos: t.cos!, sin: t.sin! }, { heads, pairs }),
    });
    expect(await worst({ inputs, constants, trace })).toBeLessThan(1e-6);
    // The same tokens with explicit positions that have gaps.
    const gaps = Array.from({ length: tokens }, (_, t) => (first + 5 * t) % 24);
    const feeds = { x: inputs.x, first: whole("i64", [1, tokens], ...gaps) };
    expect(await worst({ inputs: feeds, constants, trace })).toBeLessThan(1e-6);
  });
});

test.each([
  { batch: 1, heads: 1, tokens: 1, capacity: 4, first: [3] },
  { batch: 1, heads: 3, tokens: 5, capacity: 9, first: [0] },
  { batch: 2, heads: 2, tokens: 3, capacity: 8, first: [5, 1] },
])("writeCache: $tokens tokens at $first of $capacity, in place", async ({ batch, heads, tokens, capacity, first }) => {
  const inputs = {
    cache: noise(1, [batch, heads, capacity, 8]),
    update: noise(2, [batch, heads, tokens, 8]),
    first: whole("i64", [batch], ...first),
  };
  const trace: Trial["trace"] = (t) => ({ y: writeCache(t.cache!, t.update!, t.first!) });
  expect(await worst({ inputs, inPlace: { y: "cache" }, trace })).toBe(0);
});

test.each([
  { past: 0, tokens: 1, size: 16 },
  { past: 0, tokens: 7, size: 64 },
  { past: 5, tokens: 3, size: 32 },
  { past: 128, tokens: 33, size: 64 },
])("tileAttention: $tokens queries after $past gathered keys of $size", async ({ past, tokens, size }) => {
  const keys = (seed: number, count: number, name: string) => noise(seed, [count, size], [sym(name), size]);
  const causal = Float32Array.from({ length: tokens ** 2 }, (_, i) =>
    i % tokens > Math.floor(i / tokens) ? Number.NEGATIVE_INFINITY : 0,
  );
  const outcome = await worst({
    inputs: {
      q: noise(1, [1, tokens, size]),
      key: noise(2, [tokens, size]),
      pastKeys: keys(3, past, "past"),
      values: noise(4, [past + tokens, size], [add(sym("past"), tokens), size]),
    },
    constants: { causal: { dtype: "f32", shape: [tokens, tokens], data: causal } },
    bindings: { past },
    trace: (t) => ({ y: tileAttention(t as unknown as TileTensors, { scale: 1 / Math.sqrt(size) }) }),
  });
  expect(outcome).toBeLessThan(1e-5);
});
