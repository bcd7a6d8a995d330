import { expect, test } from "vitest";
import { add, sym } from "../../graph/dim.ts";
import { biasedAttention } from "../../graph/ops/biased-attention.ts";
import { crossAttention } from "../../graph/ops/cross-attention.ts";
import { relativeBias } from "../../graph/ops/relative.ts";
import { type Feed, integers, noise, worst } from "../compare.testing.ts";

const [batch, tokens, source] = ["batch", "tokens", "source"].map(sym) as [
  ReturnType<typeof sym>,
  ReturnType<typeof sym>,
  ReturnType<typeof sym>,
];

test.each([1, 4, 9, 30])("relativeBias of all of %d tokens", async (count) => {
  const inputs = {
    table: noise(1, [3, 11]),
    ids: { ...integers(2, "i64", [2, count], 9), symbolic: [batch, tokens] },
  };
  const bindings = { batch: 2, tokens: count };
  const result = await worst({ inputs, bindings, trace: (t) => ({ y: relativeBias(t.table!, t.ids!) }) });
  expect(result).toBe(0);
});

test.each([
  { past: 0, count: 6 },
  { past: 9, count: 1 },
  { past: 5, count: 4 },
])("relativeBias of $count tokens after $past", async ({ past, count }) => {
  const inputs = {
    table: noise(1, [3, 11]),
    ids: { ...integers(2, "i64", [2, count], 9), symbolic: [batch, tokens] },
    total: { dtype: "i32", shape: [], data: [past + count] } satisfies Feed,
  };
  const bindings = { batch: 2, tokens: count, past };
  const trace = (t: Parameters<Parameters<typeof worst>[0]["trace"]>[0]) => ({
    y: relativeBias(t.table!, t.ids!, t.total!, sym("past")),
  });
  expect(await worst({ inputs, bindings, trace })).toBe(0);
});

test.each([
  { lengths: [7], count: 7 },
  { lengths: [5, 12, 1], count: 1 },
  { lengths: [20, 33], count: 5 },
])("crossAttention of $count tokens to sources of $lengths, with and without a bias", async ({ lengths, count }) => {
  const [rows, longest, heads, size] = [lengths.length, Math.max(...lengths), 3, 24];
  const kv = (seed: number) => noise(seed, [rows, heads, longest, size], [batch, heads, source, size]);
  const mask = lengths.flatMap((n) => Array.from({ length: longest }, (_, key) => Number(key < n)));
  const inputs = {
    q: noise(1, [rows, count, heads * size], [batch, tokens, heads * size]),
    ...{ k: kv(2), v: kv(3) },
    mask: { dtype: "i32", shape: [rows, longest], data: mask, symbolic: [batch, source] } satisfies Feed,
    bias: noise(4, [1, heads, count, longest], [1, heads, tokens, source]),
  };
  const trace = (t: Parameters<Parameters<typeof worst>[0]["trace"]>[0]) => {
    const of = { k: t.k!, v: t.v!, mask: t.mask! };
    const attrs = { heads, scale: 0.4 };
    return { biased: crossAttention(t.q!, of, t.bias!, attrs), plain: crossAttention(t.q!, of, undefined, attrs) };
  };
  expect(await worst({ inputs, bindings: { batch: rows, tokens: count, source: longest }, trace })).toBeLessThan(1e-5);
});

test.each([
  { rows: 1, past: 0, count: 1 },
  { rows: 3, past: 0, count: 7 },
  { rows: 1, past: 9, count: 4 },
  { rows: 3, past: 19, count: 1 },
])("biasedAttention of $count tokens after $past, $rows rows, written in place", async ({ rows, past, count }) => {
  const [heads, headSize, capacity, total] = [3, 24, 20, past + count];
  const width = 3 * heads * headSize;
  const cache = (seed: number) =>
    noise(seed, [rows, heads, capacity, headSize], [batch, heads, sym("capacity"), headSize]);
  const attrs = { heads, headSize, scale: 1, past: sym("past") };
  const result = await worst({
    inputs: {
      qkv: noise(1, [rows, count, width], [batch, tokens, width]),
      ...{ pastKey: cache(2), pastValue: cache(3) },
      lengths: { dtype: "i32", shape: [rows], data: new Array(rows).fill(total - 1), symbolic: [batch] },
      total: { dtype: "i32", shape: [], data: [total] },
      bias: noise(4, [1, heads, count, total], [1, heads, tokens, add(sym("past"), tokens)]),
    },
    bindings: { batch: rows, tokens: count, past, capacity },
    inPlace: { presentKey: "pastKey", presentValue: "pastValue" },
    trace(t) {
      const tensors = { pastKey: t.pastKey!, pastValue: t.pastValue!, lengths: t.lengths!, total: t.total! };
      return { ...biasedAttention(t.qkv!, tensors, t.bias!, attrs) };
    },
  });
  expect(result).toBeLessThan(1e-5);
});
