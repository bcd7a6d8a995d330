import { describe, expect, test } from "vitest";
import { seededRandom } from "../util/random.ts";
import {
  aggregated,
  energy,
  margin,
  type ScoreKind,
  Scorer,
  scoreKinds,
  scoreOf,
  scoreOptions,
  softmax,
} from "./scores.ts";

const options = (values: Parameters<typeof scoreOptions.parse>[0]) => scoreOptions.parse(values);
const energyOfProbs = (logits: readonly number[]) => scoreOf(logits, options({ score: "energy-of-probs" }));
const negativeEntropy = (logits: readonly number[]) => scoreOf(logits, options({ score: "entropy" }));

describe("values", () => {
  test.each([
    ["(2, 1, -1)", [2, 1, -1], 1, 2.3490122],
    ["a shift of 10 moves it by 10", [12, 11, 9], 1, 12.3490122],
    ["(0, 0)", [0, 0], 1, Math.LN2],
    ["T = 2", [2, 1, -1], 2, 3.2082611],
    ["T towards 0: the greatest logit", [2, 1, -1], 1e-3, 2],
  ])("energy of %s", (_, logits, temperature, expected) => {
    expect(energy(logits, temperature)).toBeCloseTo(expected, 6);
  });

  test("energy takes the logits, the released code's variant their softmax", () => {
    expect(energy([5, -5])).toBeCloseTo(5.0000454, 6);
    expect(energyOfProbs([5, -5])).toBeCloseTo(1.3132407, 6);
  });

  test("softmax, entropy and margin are invariant to shifts", () => {
    for (const logits of [
      [2, 1, -1],
      [12, 11, 9],
    ]) {
      expect(softmax(logits)).toBeCloseTo(0.70538, 5);
      expect(-negativeEntropy(logits)).toBeCloseTo(0.71387, 5);
      expect(margin(logits)).toBeCloseTo(0.70538 - 0.2595, 4);
    }
  });

  test("the variant's bounds for 2 and 3 classes", () => {
    expect(energyOfProbs([0, 0])).toBeCloseTo(1.193147, 6);
    expect(energyOfProbs([100, 0])).toBeCloseTo(1.313262, 6);
    expect(energyOfProbs([0, 0, 0])).toBeCloseTo(1.431946, 6);
    expect(energyOfProbs([100, 0, 0])).toBeCloseTo(1.551445, 6);
    // The authors' threshold for SST-2, converted from the greatest probability.
    const logit = Math.log(0.993862 / (1 - 0.993862));
    expect(energyOfProbs([logit, 0])).toBeCloseTo(1.31044, 5);
  });

  test("for three classes the variant's order is close to the greatest probability's, but not equal", () => {
    const of = (p: number[]) => energyOfProbs(p.map((x) => Math.log(Math.max(x, 1e-300))));
    expect(of([0.6, 0.4, 0])).toBeCloseTo(1.46185, 5);
    expect(of([0.61, 0.195, 0.195])).toBeCloseTo(1.45186, 5);
  });
});

/** Pairs of logits with different scales. */
function pairs(count: number, seed: number): number[][] {
  const random = seededRandom(seed);
  return Array.from({ length: count }, () => {
    const scale = 0.2 + 6 * random();
    return [scale * (random() - 0.5), scale * (random() - 0.5) + 4 * random()];
  });
}

const order = (scores: readonly number[]) => [...scores.keys()].sort((a, b) => scores[a]! - scores[b]!);

test("for two classes energy-of-probs and softmax route alike at every share, energy does not", () => {
  const logits = pairs(400, 3);
  const by = (kind: ScoreKind) => order(logits.map((pair) => scoreOf(pair, options({ score: kind }))));
  expect(by("energy-of-probs")).toEqual(by("softmax"));
  expect(by("margin")).toEqual(by("softmax"));
  expect(by("energy")).not.toEqual(by("softmax"));
});

describe("stability", () => {
  test.each(scoreKinds)("%s of logits up to 1e4 is finite", (score) => {
    for (const logits of [
      [1e4, -1e4, 3],
      [-1e4, -1e4, -1e4],
      [1e4, 1e4, 1e4],
    ])
      for (const temperature of [0.01, 1, 100])
        expect(scoreOf(logits, options({ score, temperature }))).toSatisfy(Number.isFinite);
  });

  test.each(scoreKinds)("%s of a logit that is not finite is NaN", (score) => {
    for (const odd of [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY])
      expect(scoreOf([1, odd, 2], options({ score }))).toBeNaN();
  });

  test("a single class has no score", () => {
    expect(scoreOf([3], options({}))).toBeNaN();
  });
});

describe("label tokens", () => {
  test("exclude the others", () => {
    expect(scoreOf([9, 2, 1, 7, -1], options({ labelTokens: [1, 2, 4] }))).toBeCloseTo(2.3490122, 6);
  });

  test("an id outside the model's vocabulary makes the score NaN", () => {
    expect(scoreOf([1, 2], options({ labelTokens: [0, 2] }))).toBeNaN();
  });
});

describe("aggregates", () => {
  const scores = [4, 1, 3, 2];
  test.each([
    ["first", 4],
    ["mean", 2.5],
    ["min", 1],
    ["q0", 1],
    ["q0.25", 1.75],
    ["q0.5", 2.5],
    ["q1", 4],
  ] as const)("%s", (how, expected) => {
    expect(aggregated(scores, how)).toBe(expected);
  });

  test("one score of NaN makes the answer's NaN", () => {
    expect(aggregated([1, Number.NaN], "min")).toBeNaN();
    expect(aggregated([], "first")).toBeNaN();
  });

  test.each(["q2", "last", "q", "q-0.1", 3])("%j is refused", (value) => {
    expect(() => options({ aggregate: value as never })).toThrow(/expected first, mean, min or a quantile/);
  });

  test("only the first token is read if it decides", () => {
    const scorer = new Scorer(options({}));
    for (const logits of [
      [2, 1, -1],
      [0, 0, 0],
    ])
      scorer.observe(logits);
    expect(scorer.score).toBeCloseTo(2.3490122, 6);
    expect(scorer.flops).toBe(12);
    const all = new Scorer(options({ aggregate: "min" }));
    for (const logits of [
      [2, 1, -1],
      [0, 0, 0],
    ])
      all.observe(logits);
    expect(all.score).toBeCloseTo(Math.log(3), 6);
    expect(all.flops).toBe(24);
  });
});

test("random numbers depend on the seed and the input, and are uniform", () => {
  const logits = pairs(2000, 5);
  const scores = logits.map((pair) => scoreOf(pair, options({ score: "random" })));
  expect(scores.toReversed()).toEqual(logits.toReversed().map((pair) => scoreOf(pair, options({ score: "random" }))));
  const mean = scores.reduce((sum, score) => sum + score, 0) / scores.length;
  expect(Math.abs(mean - 0.5)).toBeLessThan(3 / Math.sqrt(12 * scores.length));
  expect(scoreOf(logits[0]!, options({ score: "random", seed: 1 }))).not.toBe(scores[0]);
});
