import { expect, test } from "vitest";
import { seededRandom } from "../../util/random.ts";
import { costOf, distinctTerms, fitted, type Observation } from "./fit.ts";

const fitOf = (observations: readonly Observation[]) => fitted(observations, distinctTerms(observations));

const lengths = [50, 100, 200, 300, 400, 600, 800, 1000, 1200, 1500, 1800, 2000];
const observed = (costOfLength: (prompt: number, answer: number) => number) =>
  lengths.map((prompt, i) => {
    const answer = 10 + ((7 * i) % 30);
    return { prompt, answer, cost: costOfLength(prompt, answer) };
  });

test("the terms of a cost are recovered", () => {
  const fit = fitOf(observed((n, m) => 20 + 3 * n + (0.002 * n * n) / 2 + 25 * m));
  expect(fit.fixed).toBeCloseTo(20, 6);
  expect(fit.new).toBeCloseTo(3, 8);
  expect(fit.attended).toBeCloseTo(0.002, 10);
  expect(fit.answer).toBeCloseTo(25, 7);
  expect(costOf(fit, 100, 5)).toBeCloseTo(20 + 300 + 10 + 125, 6);
});

test("no coefficient is below 0", () => {
  const fit = fitOf(observed((n, m) => 5 * n - 0.0005 * n * n + m));
  expect(Object.values(fit).every((value) => value >= 0)).toBe(true);
});

test("prompts of one length have one price per token, and few observations few terms", () => {
  const alike = Array.from({ length: 12 }, (_, i) => ({ prompt: 100, answer: 8, cost: 80 + (i % 3) }));
  expect(costOf(fitOf(alike), 100, 8)).toBeCloseTo(81, 0);
  const one = fitOf([{ prompt: 100, answer: 10, cost: 50 }]);
  expect(Object.values(one).filter((value) => value > 0)).toHaveLength(1);
  expect(costOf(one, 100, 10)).toBeCloseTo(50, 9);
  expect(costOf(fitOf([]), 100, 10)).toBe(0);
});

test("terms that these lengths cannot separate are one", () => {
  const cost = (n: number, m: number) => 20 + 3 * n + (0.002 * n * n) / 2 + 25 * m;
  const terms = (prompt: (i: number) => number, answer: (i: number) => number) =>
    distinctTerms(lengths.map((_, i) => ({ prompt: prompt(i), answer: answer(i), cost: cost(prompt(i), answer(i)) })));
  const spread = (i: number) => lengths[i]!;
  const [alike, varied] = [(i: number) => 100 + (i % 2), (i: number) => 10 + ((7 * i) % 30)];
  expect(terms(spread, varied)).toEqual(["new", "answer", "attended", "fixed"]);
  expect(terms(spread, () => 16)).toEqual(["new", "answer", "attended"]);
  expect(terms(alike, varied)).toEqual(["new", "answer"]);
  expect(terms(alike, () => 16)).toEqual(["new"]);
  expect(distinctTerms([])).toEqual([]);
});

test("on prompts of one length, a recipe that is a fifth cheaper is so at every length, whatever the noise", () => {
  for (let seed = 0; seed < 20; seed++) {
    const random = seededRandom(seed);
    const of = (share: number) =>
      lengths.map((_, i) => ({ prompt: 100 + (i % 3), answer: 16, cost: share * (700 + 40 * random()) }));
    const dense = of(1);
    const terms = distinctTerms(dense);
    const [dear, cheap] = [fitted(dense, terms), fitted(of(0.8), terms)];
    for (const [prompt, answer] of [
      [100, 16],
      [100, 1],
      [102, 2000],
      [50, 4],
    ] as const)
      expect(costOf(cheap, prompt, answer) / costOf(dear, prompt, answer)).toBeCloseTo(0.8, 1);
  }
});
