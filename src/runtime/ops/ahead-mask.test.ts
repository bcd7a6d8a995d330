import { expect, test } from "vitest";
import { sym } from "../../graph/dim.ts";
import { aheadMask } from "../../graph/ops/ahead-mask.ts";
import { compare } from "../compare.testing.ts";

const ahead = { dtype: "i64" as const, shape: [5], data: [0, 2, 1, 0, 0], symbolic: [sym("tokens")] };

const masksOf = async (past: number, window?: number) => {
  const lengths = { dtype: "i32" as const, shape: [1], data: [past + 4], symbolic: [sym("batch")] };
  return compare({
    inputs: { lengths, ahead },
    bindings: { batch: 1, tokens: 5, past },
    trace: (t) => ({ ...aheadMask(t.lengths!, t.ahead!, { past: sym("past"), window }) }),
  });
};

test.each([
  [0, undefined],
  [3, undefined],
  [0, 2],
  [3, 2],
])("tokens after %i others that see later ones, with a window of %s", async (past, window) => {
  for (const { got, expected } of Object.values(await masksOf(past, window)))
    expect([...got.data]).toEqual([...expected.data]);
});

test("an image of three tokens sees itself in both directions, and no window ends its view of what follows", async () => {
  const seen = async (window?: number) => {
    const { mask } = await masksOf(1, window);
    const rows = [...mask!.got.data].map((v) => (v === 0 ? "1" : "0"));
    return Array.from({ length: 5 }, (_, i) => rows.slice(i * 6, (i + 1) * 6).join(""));
  };
  expect(await seen()).toEqual(["110000", "111110", "111110", "111110", "111111"]);
  expect(await seen(2)).toEqual(["110000", "011110", "001110", "000110", "000011"]);
});
