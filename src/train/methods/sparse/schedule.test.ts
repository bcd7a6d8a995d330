import { describe, expect, test } from "vitest";
import { sparseOptions } from "./options.ts";
import { eventsUntil, keptAfter, type PruneSchedule, pruneSchedule, stepsFromComputeFractions } from "./schedule.ts";

const scheduleOf = (options: object, steps: number) => pruneSchedule(sparseOptions.parse(options), steps);
/** The share of weights that remain at a step; steps count from 0. */
const densityAt = (step: number, schedule: PruneSchedule) => keptAfter(eventsUntil(step, schedule), schedule);

test("compute shares become steps", () => {
  const { dense, prune, recover, total } = stepsFromComputeFractions(0.5, 50_030);
  expect(dense).toBeCloseTo(12_507.5, 6);
  expect(prune).toBeCloseTo(34_678.15, 1);
  expect(recover).toBeCloseTo(25_015, 6);
  expect(total).toBeCloseTo(dense + prune + recover, 9);
});

test.each([
  [0.2, 1.1204, 0.2231, 0.7211],
  [0.4, 1.3052, 0.1915, 0.6808],
  [0.6, 1.6386, 0.1526, 0.6186],
  [0.8, 2.5059, 0.0998, 0.5012],
])("sparsity %f: steps against the dense run's, and the phases' ends", (sparsity, total, start, end) => {
  const phases = stepsFromComputeFractions(sparsity, 1);
  expect(phases.total).toBeCloseTo(total, 4);
  expect(phases.dense / phases.total).toBeCloseTo(start, 4);
  expect((phases.dense + phases.prune) / phases.total).toBeCloseTo(end, 4);
});

test("the released 1B configuration has compute shares of 25, 50 and 25 %", () => {
  const [start, end, steps, density] = [12_500, 47_200, 72_200, 0.5];
  const compute = [start, ((end - start) * (1 - density)) / Math.log(1 / density), density * (steps - end)];
  const whole = compute.reduce((sum, part) => sum + part, 0);
  for (const [i, share] of [0.25, 0.5, 0.25].entries()) expect(compute[i]! / whole).toBeCloseTo(share, 3);
  const own = scheduleOf({ sparsity: 0.5 }, steps);
  expect(own).toMatchObject({ start: 12_500, end: 47_200, every: 100, events: 348 });
});

test("retained weights: all before the start, an equal share per pruning, no change after the end", () => {
  const schedule = scheduleOf({ sparsity: 0.6, start: 100, end: 300, every: 50 }, 400);
  expect(schedule.events).toBe(5);
  const weights = 1000;
  const remainingAt = (step: number) => Math.floor(weights * densityAt(step, schedule));
  expect([0, 99, 100, 149, 150, 200, 299, 300, 399].map(remainingAt)).toEqual([
    ...[1000, 1000, 832, 832, 693, 577, 480, 400, 400],
  ]);
  expect(keptAfter(2, schedule) / keptAfter(1, schedule)).toBeCloseTo(0.4 ** 0.2, 12);
});

test("the mean over the steps equals the closed form, except for the prunings' steps", () => {
  for (const sparsity of [0.2, 0.4, 0.6, 0.8]) {
    const steps = 10_000;
    const schedule = scheduleOf({ sparsity, every: 1 }, steps);
    let sum = 0;
    for (let step = 0; step < steps; step++) sum += densityAt(step, schedule);
    const closed = 1 / stepsFromComputeFractions(sparsity, 1).total;
    expect(Math.abs(sum / steps / closed - 1)).toBeLessThan(0.005);
  }
});

describe("a run's shape", () => {
  test("short runs are pruned ten times instead of every 100 steps", () => {
    expect(scheduleOf({ sparsity: 0.6 }, 200).every).toBe(9);
    expect(scheduleOf({ sparsity: 0.6 }, 5).every).toBe(1);
    expect(scheduleOf({ sparsity: 0.6 }, 100_000).every).toBe(100);
  });

  test("a pruning phase of 0 is one pruning; the last pruning comes before the last step", () => {
    const middle = scheduleOf({ sparsity: 0.6, dense: 0.5, prune: 0, recover: 0.5, every: 10 }, 1750);
    expect(middle).toMatchObject({ start: 500, end: 500, events: 1 });
    const end = scheduleOf({ sparsity: 0.6, dense: 1, prune: 0, recover: 0, every: 10 }, 1000);
    expect(end).toMatchObject({ start: 999, end: 999, events: 1 });
    expect(densityAt(998, end)).toBe(1);
    expect(densityAt(999, end)).toBeCloseTo(0.4, 12);
    const late = scheduleOf({ sparsity: 0.6, dense: 0.75, prune: 0.25, recover: 0, every: 10 }, 1132);
    expect(late.end).toBe(1130);
  });

  test("a sparsity of 0 never prunes", () => {
    const schedule = scheduleOf({ sparsity: 0 }, 100);
    expect(schedule.events).toBe(0);
    expect(eventsUntil(99, schedule)).toBe(0);
    expect(densityAt(99, schedule)).toBe(1);
  });

  test.each([
    [{ start: 10, end: 100 }, 100, "end: expected less than the run's 100 steps, got 100"],
    [{ start: 10, end: 95, every: 10 }, 100, "every: expected a divisor of end − start, 85, got 10"],
  ])("%j is refused", (input, steps, message) => {
    expect(() => scheduleOf(input, steps)).toThrow(message);
  });
});

test.each([
  [{ sparsity: 1 }, "less than 1, got 1"],
  [{ dense: 0.5 }, "expected shares that sum to 1, got 0.5 + 0.5 + 0.25"],
  [{ start: 5 }, "start and end: expected both, or neither"],
  [{ start: 5, end: 4 }, "end: expected at least 5, the start, got 4"],
  [{ block: "4" }, "expected rows and columns, such as 4x1"],
])("options %j are refused", (value, message) => {
  expect(sparseOptions.safeParse(value).error?.issues[0]?.message).toContain(message);
});
