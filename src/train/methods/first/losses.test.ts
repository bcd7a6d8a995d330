import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../util/random.ts";
import { LAMBDAS, listNet, type RankLossName, rankLosses, rankNet, weightedRankNet } from "./losses.ts";

const upTo = (count: number) => Array.from({ length: count }, (_, i) => i + 1);

test.each([
  [[2, 1, 0], [1, 2, 3], 0.0662683],
  [[0, 1, 2], [1, 2, 3], 0.4107127],
  [[0, 0, 0], [1, 2, 3], 0.1809884],
  [[1, 3, -0.5, 0.2], [2, 1, 4, 3], 0.0380674],
])("weighted RankNet of %j with ranks %j is %f", (scores, ranks, expected) => {
  expect(weightedRankNet(scores, ranks).loss).toBeCloseTo(expected, 7);
});

test("the gradient of equal scores, the unweighted loss, and twenty equal scores", () => {
  const { gradient } = weightedRankNet([0, 0, 0], [1, 2, 3]);
  for (const [i, expected] of [-0.0972222, 0.0222222, 0.075].entries()) expect(gradient[i]).toBeCloseTo(expected, 7);
  expect(rankNet([2, 1, 0], [1, 2, 3]).loss).toBeCloseTo(0.2511505, 7);
  const { loss } = weightedRankNet(new Float64Array(20), upTo(20));
  expect(loss).toBeCloseTo(0.0410714, 7);
  expect(LAMBDAS["weighted-ranknet"] * loss).toBeCloseTo(0.410714, 6);
});

describe.each(Object.keys(rankLosses) as RankLossName[])("%s", (name) => {
  const loss = rankLosses[name];

  test("has the gradient of central differences, which sums to 0", () => {
    const random = seededRandom(5);
    for (const count of [2, 5, 20]) {
      const scores = Array.from({ length: count }, () => 6 * random() - 3);
      const ranks = upTo(count).sort(() => random() - 0.5);
      const { gradient } = loss(scores, ranks);
      expect(Math.abs(gradient.reduce((a, b) => a + b, 0))).toBeLessThan(1e-12);
      for (const [i, own] of gradient.entries()) {
        const at = (by: number) => loss(scores.with(i, scores[i]! + by), ranks).loss;
        const central = (at(1e-5) - at(-1e-5)) / 2e-5;
        expect(Math.abs(central - own)).toBeLessThan(1e-5 * Math.max(Math.abs(own), 1e-3));
      }
    }
  });

  test("does not change if all scores shift, and is finite for large ones", () => {
    const [scores, ranks] = [
      [2, -1, 0.5],
      [3, 1, 2],
    ];
    expect(
      loss(
        scores.map((s) => s - 40),
        ranks,
      ).loss,
    ).toBeCloseTo(loss(scores, ranks).loss, 12);
    const { loss: large, gradient } = loss([1e4, -1e4, 0], ranks);
    expect([large, ...gradient].every(Number.isFinite)).toBe(true);
  });
});

test("items of equal rank are not compared", () => {
  expect(rankNet([3, 1], [1, 1])).toEqual({ loss: 0, gradient: Float64Array.of(0, 0) });
  const clicked = rankNet([1, 5, -5], [1, 2, 2]);
  expect(clicked.loss).toBeCloseTo((Math.log1p(Math.exp(4)) + Math.log1p(Math.exp(-6))) / 2, 12);
});

test("ListNet of the teacher's own scores is the entropy of its top-one probabilities", () => {
  const p = [1, 2, 3].map((rank) => Math.exp(-rank) / (Math.exp(-1) + Math.exp(-2) + Math.exp(-3)));
  expect(listNet([-1, -2, -3], [1, 2, 3]).loss).toBeCloseTo(
    p.reduce((sum, x) => sum - x * Math.log(x), 0),
    12,
  );
});
