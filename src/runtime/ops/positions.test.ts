import { expect, test } from "vitest";
import { sym } from "../../graph/dim.ts";
import { positions } from "../../graph/ops/positions.ts";
import { compare, integers } from "../compare.testing.ts";

test.each([
  { tokens: 1, lengths: [0] },
  { tokens: 5, lengths: [4] },
  { tokens: 3, lengths: [9, 2, 40] },
  { tokens: 3, lengths: [9, 10, 40], beyond: 10 },
])("positions of $tokens ids that end at $lengths, moved on beyond $beyond", async ({ tokens, lengths, beyond }) => {
  const batch = lengths.length;
  const inputs = {
    ids: integers(1, "i64", [batch, tokens], 9),
    lengths: { dtype: "i32" as const, shape: [batch], data: lengths, symbolic: [sym("batch")] },
  };
  const symbolic = { ...inputs, ids: { ...inputs.ids, symbolic: [sym("batch"), sym("tokens")] } };
  const trace = (t: Parameters<Parameters<typeof compare>[0]["trace"]>[0]) => ({
    y: positions(t.ids!, t.lengths!, { beyond }),
  });
  const { y } = await compare({ inputs: symbolic, bindings: { batch, tokens }, trace });
  expect([...y!.got.data]).toEqual([...y!.expected.data]);
  for (const [row, last] of lengths.entries())
    expect(y!.got.data[(row + 1) * tokens - 1]).toBe(last + (last + 1 > (beyond ?? 99) ? beyond! : 0));
});
