import { expect, test } from "vitest";
import type { Answer } from "./item.ts";
import { real, stringify, withReals } from "./reals.ts";

const likelihood = { logLikelihood: Number.NEGATIVE_INFINITY, greedy: false, tokens: 1 };

test.each<Answer>([
  { likelihoods: [likelihood, { ...likelihood, logLikelihood: -1.5 }] },
  likelihood,
  { logLikelihood: Number.NaN, tokens: 3 },
  { scores: [Number.NaN, 1, Number.POSITIVE_INFINITY] },
  { text: "NaN" },
  { order: ["NaN", "Infinity"] },
])("an answer is the same after JSON: %j", (answer) => {
  expect(withReals(JSON.parse(stringify(answer)))).toEqual(answer);
});

test("a number is read in its written form only", () => {
  for (const x of [0.1, Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
    expect(real.parse(JSON.parse(stringify(x)))).toBe(x);
  for (const x of [null, "1", "nan"]) expect(real.safeParse(x).success).toBe(false);
});
