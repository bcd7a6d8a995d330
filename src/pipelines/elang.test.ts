/** Compares scores and routing with the E-LANG authors' code. */
import { expect, test } from "vitest";
import { authorsFixture, farthest, numbers } from "../util/authors.testing.ts";
import { scoreOf, scoreOptions } from "./scores.ts";

interface Case {
  seed: number;
  classes: number;
  threshold: number;
  scores: number[];
  /** Inputs that Super answers. */
  super: number[];
}
const { repository, cases } = authorsFixture<{ cases: Case[] }>("elang.json", import.meta.url);

test.each(cases)(`energy-of-probs routes $classes classes as ${repository}`, ({ seed, classes, threshold, ...of }) => {
  const inputs = numbers(seed, 12 * classes).map((x) => 3 * x);
  const scores = of.scores.map((_, i) =>
    scoreOf(inputs.subarray(i * classes, (i + 1) * classes), scoreOptions.parse({ score: "energy-of-probs" })),
  );
  expect(farthest(scores, of.scores)).toBeLessThanOrEqual(1e-5);
  expect([...scores.keys()].filter((i) => !(scores[i]! >= threshold))).toEqual(of.super);
  expect(of.super.length).toBeGreaterThan(0);
  expect(of.super.length).toBeLessThan(scores.length);
});
