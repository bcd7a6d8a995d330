import { expect, test } from "vitest";
import { rateAt, scheduleOptions } from "./schedule.ts";

const rates = (options: object, steps: number) => {
  const schedule = scheduleOptions.parse(options);
  return Array.from({ length: steps + 1 }, (_, step) => rateAt(schedule, step, steps));
};

test("the rate rises over the warm-up, and then stays if it is constant", () => {
  expect(rates({ name: "constant", warmup: 3 }, 6)).toEqual([1 / 4, 2 / 4, 3 / 4, 1, 1, 1, 1]);
});

test("linear and cosine fall from the peak to the minimum", () => {
  const linear = rates({ name: "linear", minimum: 0 }, 4);
  expect(linear).toEqual([1, 0.75, 0.5, 0.25, 0]);
  const cosine = rates({ name: "cosine", minimum: 0.1 }, 4);
  expect(cosine[0]).toBe(1);
  expect(cosine[2]).toBeCloseTo(0.55, 12);
  expect(cosine[4]).toBeCloseTo(0.1, 12);
  expect(cosine[1]).toBeCloseTo(0.1 + 0.9 * (0.5 + Math.SQRT1_2 / 2), 12);
});

test("wsd stays at the peak and falls only over its last share", () => {
  expect(rates({ name: "wsd", minimum: 0, decay: 0.5 }, 4)).toEqual([1, 1, 1, 0.5, 0]);
});

test("an exponential decay multiplies the rate by the same factor at each step, and ends at the minimum", () => {
  const fallen = rates({ name: "wsd", minimum: 0.01, decay: 0.5, shape: "exponential" }, 4);
  for (const [step, rate] of [1, 1, 1, 0.1, 0.01].entries()) expect(fallen[step]).toBeCloseTo(rate, 12);
  expect(() => scheduleOptions.parse({ name: "wsd", minimum: 0, shape: "exponential" })).toThrow("more than 0");
});

test("a warm-up as long as the run never falls", () => {
  expect(rates({ name: "cosine", warmup: 4 }, 4).slice(0, 4)).toEqual([1 / 5, 2 / 5, 3 / 5, 4 / 5]);
});

test("a warm-up below 1 is a share of the steps", () => {
  const share = rates({ name: "linear", minimum: 0, warmup: 0.25 }, 12);
  expect(share).toEqual(rates({ name: "linear", minimum: 0, warmup: 3 }, 12));
  expect(share.slice(0, 4)).toEqual([1 / 4, 2 / 4, 3 / 4, 1]);
  expect(() => scheduleOptions.parse({ warmup: 2.5 })).toThrow("expected a whole number of steps, or a share below 1");
});
