import { expect, test } from "vitest";
import { seededRandom } from "../../../src/util/random.ts";
import { countdowns, isTested, solutions, stepped } from "./countdown.ts";
import { starGraphs } from "./star-graphs.ts";
import { words } from "./words.ts";
import type { Sample } from "./world.ts";

const samplesOf = (draw: (random: () => number) => Sample, count = 100): Sample[] => {
  const random = seededRandom(4);
  return Array.from({ length: count }, () => draw(random));
};

test("a step gives whole numbers from 1 to 99", () => {
  expect(stepped(8, "*", 7)).toBe(56);
  expect(stepped(8, "/", 4)).toBe(2);
  expect(stepped(8, "/", 3)).toBeUndefined();
  expect(stepped(4, "-", 4)).toBeUndefined();
  expect(stepped(99, "+", 1)).toBeUndefined();
});

test("all plans of a question are found, with their results on the way", () => {
  expect([...solutions([1, 8, 7], 55)].sort()).toEqual(["7*8:56-1", "8*7:56-1"]);
  expect(solutions([2, 6, 3, 5], 10)).toContain("6*2:12+3:15-5");
  expect(solutions([1, 1, 1], 99).size).toBe(0);
});

test.each([countdowns, starGraphs, words])(
  "$name: a sample's plan solves its question, and its answer opens it",
  (world) => {
    for (const sample of [...samplesOf(world.tested), ...samplesOf(world.asked)]) {
      expect(world.solves(sample, sample.plan)).toBe(true);
      expect(world.opens(sample, sample.plan)).toBe(true);
      expect(world.answers(sample, sample.answer)).toBe(true);
      expect(world.answers(sample, "")).toBe(false);
      expect(sample.plan.length).toBeLessThan(world.planTokens);
      expect(sample.answer.length).toBeLessThan(world.answerTokens);
      expect(world.chance(sample)).toBeGreaterThan(0);
      expect(world.chance(sample)).toBeLessThanOrEqual(1);
    }
  },
);

test("countdown: wrong results, other numbers and other targets are refused", () => {
  const sample: Sample = { task: "countdown", question: "1,8,7|55", plan: "8*7:56-1", answer: "8*7" };
  for (const plan of ["8*7:55-1", "8*7:56-2", "8*7:56", "8*7:56-1:55", "8*8:64-9", ""])
    expect(countdowns.solves(sample, plan)).toBe(false);
  expect(countdowns.answers(sample, "7*8")).toBe(true);
  for (const step of ["8*1", "8*", "8*7:", "8-1"]) expect(countdowns.answers(sample, step)).toBe(false);
  expect(countdowns.chance(sample)).toBeCloseTo(2 / 17);
});

test("words: an answer is its first node, in whatever sentence", () => {
  const [sample] = samplesOf(words.tested, 1) as [Sample];
  expect(words.answers(sample, `The next node is ${sample.answer}.`)).toBe(true);
  expect(words.answers(sample, "The next node is a.")).toBe(false);
  expect(words.answers(sample, `x${sample.answer}`)).toBe(false);
});

test("countdown: a tenth of the questions is of tests alone, whatever the order of their numbers", () => {
  const parts = ({ question }: Sample) => {
    const [numbers, target] = question.split("|");
    return [numbers!.split(",").map(Number), Number(target)] as const;
  };
  expect(samplesOf(countdowns.tested).every((sample) => isTested(...parts(sample)))).toBe(true);
  expect(samplesOf(countdowns.asked).some((sample) => isTested(...parts(sample)))).toBe(false);
  expect(isTested([1, 8, 7], 55)).toBe(isTested([8, 7, 1], 55));
  const targets = Array.from({ length: 90 }, (_, i) => 10 + i);
  const tested = [2, 5, 8].flatMap((a) => [3, 6, 9].flatMap((b) => targets.filter((t) => isTested([a, b, 7], t))));
  // 0.03 is nearly three standard deviations of 810 draws.
  expect(Math.abs(tested.length / (9 * targets.length) - 0.1)).toBeLessThan(0.03);
});
