import { expect, test } from "vitest";
import { breakEven, costsOf, gatedCost } from "./cost.ts";

// A prompt token costs 1/192, a decoded one four times that, so 64 + 32 tokens cost 1. Passages have 1,000 tokens.
const extra = 1000 / 192 + 0.5;
/** The cost of always retrieving, without a gate. */
const alwaysCost = ({ plain, extra }: { plain: number; extra: number }) => plain + extra;

test.each([
  { gate: 0.02, totals: [1.02, 2.4471, 3.8742, 6.7283], even: 0.9965 },
  { gate: 0.3, totals: [1.3, 2.7271, 4.1542, 7.0083], even: 0.9474 },
])("the worked example with a gate of $gate", ({ gate, totals, even }) => {
  const costs = { gate, plain: 1, extra };
  expect(alwaysCost(costs)).toBeCloseTo(6.7083, 4);
  expect([0, 0.25, 0.5, 1].map((rate) => Number(gatedCost(costs, rate).toFixed(4)))).toEqual(totals);
  expect(breakEven(costs)).toBeCloseTo(even, 4);
  expect(gatedCost(costs, breakEven(costs))).toBeCloseTo(alwaysCost(costs), 12);
});

test("a log's mean cost equals that of its parts at its own rate, if looked-up questions cost the same", () => {
  const measured = Array.from({ length: 100 }, (_, i) => ({ plain: 10 + (i % 5), retrieved: 60 + (i % 7) }));
  const costs = costsOf(measured, 0.5);
  const looked = (i: number) => (i * 37) % 100 < 30;
  const total = measured.reduce((sum, { plain, retrieved }, i) => sum + 0.5 + (looked(i) ? retrieved : plain), 0);
  expect(Math.abs(total / 100 / gatedCost(costs, 0.3) - 1)).toBeLessThan(0.05);
});

test("a discarded plain prompt moves the break-even", () => {
  const costs = { gate: 0.3, plain: 1, extra, wasted: 0.4 };
  expect(gatedCost(costs, 0.5)).toBeCloseTo(4.1542 + 0.2, 4);
  expect(gatedCost(costs, breakEven(costs))).toBeCloseTo(alwaysCost(costs), 12);
});
