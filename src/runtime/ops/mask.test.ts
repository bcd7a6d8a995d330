import { expect, test } from "vitest";
import { sym } from "../../graph/dim.ts";
import { cacheLengths, maskLengths, narrowMask } from "../../graph/ops/mask.ts";
import { compare, integers } from "../compare.testing.ts";

const padded = { dtype: "i64" as const, shape: [3, 5], data: [1, 1, 1, 1, 1, 1, 1, 0, 0, 0, 1, 1, 1, 1, 0] };
const mask = { ...padded, symbolic: [sym("batch"), sym("total")] };

test.each([
  { tokens: 5, ends: [4, 4, 4] },
  { tokens: 3, ends: [4, 2, 3] },
  { tokens: 1, ends: [4, 1, 3] },
])("lengths of a mask of 5 over $tokens ids", async ({ tokens, ends }) => {
  const ids = { ...integers(1, "i64", [3, tokens], 9), symbolic: [sym("batch"), sym("tokens")] };
  const got = await compare({
    inputs: { ids, mask },
    bindings: { batch: 3, tokens, total: 5 },
    trace: (t) => ({ ...maskLengths(t.ids!, t.mask!) }),
  });
  for (const { got: actual, expected } of Object.values(got)) expect([...actual.data]).toEqual([...expected.data]);
  expect([...got.lengths!.got.data]).toEqual([4, 1, 3]);
  expect([...got.total!.got.data]).toEqual([5]);
  expect([...got.ends!.got.data]).toEqual(ends);
});

test.each([0, 4])("lengths of rows of one length, %i of them cached", async (past) => {
  const ids = { ...integers(1, "i64", [2, 3], 9), symbolic: [sym("batch"), sym("tokens")] };
  const data = new Array(2 * past * 8).fill(0);
  const cache = { dtype: "f32" as const, shape: [2, 1, past, 8], data, symbolic: [sym("batch"), 1, sym("past"), 8] };
  const got = await compare({
    inputs: { ids, cache },
    bindings: { batch: 2, tokens: 3, past },
    trace: (t) => ({ ...cacheLengths(t.ids!, t.cache!) }),
  });
  for (const { got: actual, expected } of Object.values(got)) expect([...actual.data]).toEqual([...expected.data]);
  expect([...got.lengths!.got.data]).toEqual([past + 2, past + 2]);
  expect([...got.total!.got.data]).toEqual([past + 3]);
});

test("a mask as 32-bit numbers", async () => {
  const { y } = await compare({
    inputs: { mask },
    bindings: { batch: 3, total: 5 },
    trace: (t) => ({ y: narrowMask(t.mask!) }),
  });
  expect([...y!.got.data]).toEqual(padded.data);
});
