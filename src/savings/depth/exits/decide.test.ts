import { expect, test } from "vitest";
import { actionOf, actionProbabilities, exitProbability } from "./decide.ts";

const off = { stop: 100, exit: 100 };

test("a probability must be above its threshold, not at it; 0 leaves it to the likeliest", () => {
  const half = [0, Math.log(2), 0];
  const [stop, exit] = actionProbabilities(half);
  expect([stop, exit]).toEqual([0.25, 0.5].map((p) => expect.closeTo(p, 12)));
  expect(actionOf(half, { ...off, exit: exit! })).toBe("continue");
  expect(actionOf(half, { ...off, exit: exit! - 1e-9 })).toBe("exit");
  expect(actionOf([0.2, 0.1, 0.1], { ...off, stop: 0 })).toBe("stop");
});

test("an action that is not the likeliest class is not taken, whatever its threshold", () => {
  expect(actionOf([1, 0, 2], { stop: 0, exit: 0 })).toBe("continue");
  expect(actionOf([5, 0, 0], { ...off, exit: 0 })).toBe("continue");
});

test("of equal classes the first is the likeliest", () => {
  expect(actionOf([0, 0, 0], { stop: 0, exit: 0 })).toBe("stop");
  expect(actionOf([0, 1, 1], { stop: 0, exit: 0 })).toBe("exit");
});

test("a threshold above 1 turns an action off", () => {
  expect(actionOf([50, 0, 0], off)).toBe("continue");
  expect(actionOf([0, 50, 0], off)).toBe("continue");
});

test("no number that is not one leads to an exit or a stop", () => {
  expect(exitProbability(Number.NaN)).toBe(0);
  for (const logits of [
    [Number.NaN, 0, 0],
    [0, Number.NaN, 0],
    [0, 50, Number.NaN],
    [Number.POSITIVE_INFINITY, 0, 0],
  ])
    expect(actionOf(logits, { stop: 0, exit: 0 })).toBe("continue");
});

test("a temperature draws probabilities together", () => {
  expect(exitProbability(2)).toBeCloseTo(1 / (1 + Math.exp(-2)), 12);
  expect(exitProbability(2, 4)).toBeCloseTo(1 / (1 + Math.exp(-0.5)), 12);
  expect(actionProbabilities([0, 4, 0], 4)[1]).toBeCloseTo(Math.E / (Math.E + 2), 12);
});
