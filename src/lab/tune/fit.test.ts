import { expect, test } from "vitest";
import { costOf, fitted } from "./fit.ts";

const lengths = [50, 100, 200, 300, 400, 600, 800, 1000, 1200, 1500, 1800, 2000];
const observed = (costOfLength: (prompt: number, answer: number) => number) =>
  lengths.map((prompt, i) => {
    const answer = 10 + ((7 * i) % 30);
    return { prompt, answer, cost: costOfLength(prompt, answer) };
  });

test("the terms of a cost are found again", () => {
  const fit = fitted(observed((n, m) => 20 + 3 * n + (0.002 * n * n) / 2 + 25 * m));
  expect(fit.fixed).toBeCloseTo(20, 6);
  expect(fit.new).toBeCloseTo(3, 8);
  expect(fit.attended).toBeCloseTo(0.002, 10);
  expect(fit.answer).toBeCloseTo(25, 7);
  expect(costOf(fit, 100, 5)).toBeCloseTo(20 + 300 + 10 + 125, 6);
});

test("no coefficient is below 0", () => {
  const fit = fitted(observed((n, m) => 5 * n - 0.0005 * n * n + m));
  expect(Object.values(fit).every((value) => value >= 0)).toBe(true);
});

test("prompts of one length have one price a token, and few observations few terms", () => {
  const alike = Array.from({ length: 12 }, (_, i) => ({ prompt: 100, answer: 8, cost: 80 + (i % 3) }));
  expect(costOf(fitted(alike), 100, 8)).toBeCloseTo(81, 0);
  const one = fitted([{ prompt: 100, answer: 10, cost: 50 }]);
  expect(Object.values(one).filter((value) => value > 0)).toHaveLength(1);
  expect(costOf(one, 100, 10)).toBeCloseTo(50, 9);
  expect(costOf(fitted([]), 100, 10)).toBe(0);
});
