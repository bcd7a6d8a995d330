import { expect, test } from "vitest";
import { seededRandom } from "../../util/random.ts";
import { hoeffdingBentkus, learnThenTest } from "./learn-then-test.ts";

test("a p-value falls with more trials and with a smaller mean; no mean above delta is proved", () => {
  expect(hoeffdingBentkus(0, 100, 0.05)).toBeCloseTo(0.95 ** 100, 6);
  expect(hoeffdingBentkus(0.02, 400, 0.05)).toBeLessThan(hoeffdingBentkus(0.02, 100, 0.05));
  expect(hoeffdingBentkus(0.01, 200, 0.05)).toBeLessThan(hoeffdingBentkus(0.03, 200, 0.05));
  expect(hoeffdingBentkus(0.06, 5000, 0.05)).toBe(1);
});

/** The chance of a loss under a threshold. */
const riskAt = (threshold: number) => 0.2 * (1 - threshold) ** 1.5;
const settings = Array.from({ length: 25 }, (_, i) => 1 - i / 25);
const target = { delta: 0.05, epsilon: 0.05 };

/** The share of 200 calibrations whose chosen threshold has a true risk above delta. */
function failures(choose: (lossesOf: (threshold: number) => Uint8Array) => number | undefined): number {
  const random = seededRandom(5);
  let failed = 0;
  for (let run = 0; run < 200; run++) {
    // One draw a trial, so that a laxer threshold loses wherever a stricter one does.
    const draws = Float64Array.from({ length: 400 }, random);
    const chosen = choose((threshold) => Uint8Array.from(draws, (draw) => (draw < riskAt(threshold) ? 1 : 0)));
    if (chosen !== undefined && riskAt(chosen) > target.delta) failed++;
  }
  return failed / 200;
}

test("over 200 resamplings the true risk is above delta in at most epsilon of them; the laxest rule fails", () => {
  // Two standard errors of a share of 0.05 in 200.
  const slack = 2 * Math.sqrt((0.05 * 0.95) / 200);
  expect(failures((lossesOf) => learnThenTest(settings, lossesOf, target))).toBeLessThanOrEqual(0.05 + slack);
  expect(failures(() => settings.at(-1))).toBe(1);
  const empirical = (lossesOf: (threshold: number) => Uint8Array) =>
    settings.findLast((each) => lossesOf(each).reduce((sum, loss) => sum + loss, 0) / 400 <= target.delta);
  expect(failures(empirical)).toBeGreaterThan(0.2);
});

test("the sequence ends at the first threshold that is not proved, and its first may not be", () => {
  const means = new Map([
    [3, 0],
    [2, 0.5],
    [1, 0],
  ]);
  const lossesOf = (each: number) => new Array(200).fill(means.get(each)!);
  expect(learnThenTest([3, 2, 1], lossesOf, target)).toBe(3);
  expect(learnThenTest([2, 1], lossesOf, target)).toBeUndefined();
});
