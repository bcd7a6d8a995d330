import { describe, expect, test } from "vitest";
import { seededRandom } from "../../../util/random.ts";
import { MaskState, type MaskTerms } from "./mask-state.ts";
import { PAPER, upperWeights } from "./upper-loss.ts";

const slices = [
  { name: "a", offset: 0, length: 3 },
  { name: "b", offset: 3, length: 1 },
  { name: "c", offset: 4, length: 4 },
];
const SIZE = 8;
const terms: MaskTerms = { temperature: 0.2, freezeRatio: 0.3, maskLr: 2, ratioPenalty: 3, userLr: 0.05 };
const drawn = (seed: number, count: number, from = -1, to = 1) => {
  const random = seededRandom(seed);
  return Float64Array.from({ length: count }, () => from + (to - from) * random());
};
const published = drawn(1, SIZE);
const tuned = drawn(2, SIZE);
const begun = (changes: Partial<MaskTerms> = {}, logits = drawn(3, 3, -0.3, 0.3)) =>
  new MaskState(
    slices,
    tuned.slice(),
    published.map((v, i) => v - tuned[i]!),
    logits,
    { ...terms, ...changes },
  );

/** Four samples with a squared error each; the first two are illegal. */
const samples = Array.from({ length: 4 }, (_, i) => ({ at: drawn(10 + i, SIZE), wanted: i / 3 }));
const illegal = [true, true, false, false];
const missed = (theta: ArrayLike<number>, i: number) =>
  samples[i]!.at.reduce((sum, v, k) => sum + v * theta[k]!, 0) - samples[i]!.wanted;
const loss = (theta: ArrayLike<number>, weights: ArrayLike<number>) =>
  samples.reduce((sum, _, i) => sum + weights[i]! * missed(theta, i) ** 2, 0);
const gradientOf = (theta: ArrayLike<number>, weights: ArrayLike<number>) =>
  Float64Array.from({ length: SIZE }, (_, k) =>
    samples.reduce((sum, { at }, i) => sum + weights[i]! * 2 * missed(theta, i) * at[k]!, 0),
  );
const upper = upperWeights(illegal, PAPER);
const even = [0.25, 0.25, 0.25, 0.25];

const tunedOf = ({ theta, delta, shares }: MaskState) =>
  theta.map((v, i) => v - shares[slices.findIndex((s) => i < s.offset + s.length)]! * delta[i]!);

test("after any steps the model is the tuned one plus m ⊙ Δ, and Δ leads back to the published one", () => {
  const state = begun();
  for (let step = 0; step < 200; step++)
    if (step % 2 === 0) state.publish(gradientOf(state.theta, upper));
    else state.imitate(gradientOf(state.theta, even));
  for (const [i, v] of tunedOf(state).entries()) expect(v + state.delta[i]!).toBeCloseTo(published[i]!, 10);
  expect(Math.max(...state.logits.map(Math.abs))).toBeLessThanOrEqual(1);
});

test("the mask's gradient equals central differences of the upper loss and the penalty", () => {
  const state = begun();
  const { along, slopes, penalty } = {
    along: state.along(gradientOf(state.theta, upper)),
    slopes: state.slopes(),
    penalty: state.penalty(),
  };
  const objective = (logits: Float64Array<ArrayBuffer>) => {
    const moved = begun({}, logits);
    return loss(moved.theta, upper) + terms.ratioPenalty * (terms.freezeRatio - moved.ratio) ** 2;
  };
  for (let t = 0; t < slices.length; t++) {
    const at = (step: number) => objective(Float64Array.from(state.logits, (v, i) => (i === t ? v + step : v)));
    const numeric = (at(1e-5) - at(-1e-5)) / 2e-5;
    expect(along[t]! * slopes[t]! + penalty[t]!).toBeCloseTo(numeric, 6);
  }
});

test("the user's step follows the gradient at the tuned values, which m shortens", () => {
  const state = begun();
  const before = tunedOf(state);
  const gradient = gradientOf(state.theta, even);
  const shares = state.shares.slice();
  state.imitate(gradient);
  for (const [i, v] of tunedOf(state).entries()) {
    const free = 1 - shares[slices.findIndex((s) => i < s.offset + s.length)]!;
    expect(v).toBeCloseTo(before[i]! - terms.userLr * free * gradient[i]!, 12);
  }
});

describe("a mask without choice", () => {
  const state = begun();
  const gradient = gradientOf(state.theta, even);

  test("of ones: the user changes nothing", () => {
    state.shares.fill(1);
    const before = state.theta.slice();
    state.imitate(gradient);
    expect(state.theta).toEqual(before);
  });

  test("of zeros: the user's step is plain gradient descent", () => {
    state.shares.fill(0);
    const expected = state.theta.map((v, i) => v + -terms.userLr * gradient[i]!);
    state.imitate(gradient);
    expect(state.theta).toEqual(expected);
  });
});

test("the penalty alone brings the mean share to the ratio", () => {
  for (const freezeRatio of [0.2, 0.5, 0.8]) {
    const state = begun({ freezeRatio, ratioPenalty: 0.2 });
    for (let i = 0; i < 2000; i++) state.publish(new Float64Array(SIZE));
    expect(state.ratio).toBeCloseTo(freezeRatio, 2);
  }
});

test("a tensor that no fine-tuning moves does not count", () => {
  const state = new MaskState(slices, tuned.slice(), new Float64Array(SIZE), new Float64Array(3), terms);
  expect([...state.along(gradientOf(state.theta, upper))]).toEqual([0, 0, 0]);
});

test("a side without a sample weighs nothing", () => {
  expect([...upperWeights([true, true], PAPER)].every((w) => w < 0 && Number.isFinite(w))).toBe(true);
  const innocent = upperWeights([false, false], { illegal: 2, innocent: 4 });
  expect(innocent[0]).toBeCloseTo(1 / 16, 5);
  expect(loss(tuned, upperWeights([false, false, false, false], PAPER))).not.toBeNaN();
});
