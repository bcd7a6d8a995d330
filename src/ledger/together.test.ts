import { expect, test } from "vitest";
import { parts } from "./fixtures/parts.testing.ts";
import { makeReceipt, savedShare } from "./receipt.ts";
import { together } from "./together.ts";

test("one part is its own receipt", () => {
  const receipt = makeReceipt(parts());
  expect(together([receipt])).toBe(receipt);
});

test("several parts are one receipt of their sums, whatever counters each has", () => {
  const a = makeReceipt(parts({ work: { blocks: { dense: 10, run: 4 }, calls: { small: 1 } } }));
  const b = makeReceipt(
    parts({
      flops: { dense: 10, spent: 8, overhead: 2 },
      work: { layers: { dense: 3, run: 2 }, blocks: { dense: 1, run: 1 }, calls: { small: 1, big: 2 } },
      estimated: true,
    }),
  );
  const sum = together([a, b]);
  const flops = { dense: a.flops.dense + 10, spent: a.flops.spent + 8, overhead: a.flops.overhead + 2 };
  expect(sum.flops).toEqual({ ...flops, saved: savedShare(flops) });
  expect(sum.tokens).toEqual({
    prompt: 2 * a.tokens.prompt,
    cached: 2 * a.tokens.cached,
    completion: 2 * a.tokens.completion,
  });
  expect(sum.work).toEqual({
    layers: { dense: 3, run: 2 },
    blocks: { dense: 11, run: 5 },
    calls: { small: 2, big: 2 },
  });
  expect(sum.ms.total).toBe(2 * a.ms.total);
  expect([sum.estimated, sum.model, sum.recipe]).toEqual([true, a.model, a.recipe]);
  expect([a.id, b.id]).not.toContain(sum.id);
});

test("calls in older receipts, plain numbers, add up with today's", () => {
  const calls = [{ small: 2 }, { small: { dense: 1, run: 3 }, big: { dense: 1, run: 0 } }];
  const both = [calls, calls.toReversed()].map((all) =>
    together(all.map((each) => makeReceipt(parts({ work: { calls: each } })))),
  );
  for (const { work } of both)
    expect(work).toEqual({ calls: { small: { dense: 3, run: 5 }, big: { dense: 1, run: 0 } } });
});

test("no parts make no receipt", () => {
  expect(() => together([])).toThrow(RangeError);
});
