/** Compares steps with FreezeAsGuard's own code, on a model of eight numbers with a squared error per sample. */
import { expect, test } from "vitest";
import { authorsFixture, farthest, numbers } from "../../../util/authors.testing.ts";
import { MaskState } from "./mask-state.ts";
import { PAPER, upperWeights } from "./upper-loss.ts";

interface State {
  logits: number[];
  theta: number[];
  delta: number[];
}
interface Run {
  maskLr: number;
  states: State[];
}
const { repository, bold, ...run } = authorsFixture<Run & { bold: Run }>("authors.json", import.meta.url);

const slices = [
  { name: "a", offset: 0, length: 3 },
  { name: "b", offset: 3, length: 1 },
  { name: "c", offset: 4, length: 4 },
];
const size = 8;
const at = numbers(21, 4 * size);
const terms = { temperature: 0.2, freezeRatio: 0.3, ratioPenalty: 3, userLr: 0.05 };

function gradientOf(theta: ArrayLike<number>, weights: ArrayLike<number>): Float64Array {
  const gradient = new Float64Array(size);
  for (let sample = 0; sample < 4; sample++) {
    const own = at.subarray(sample * size, (sample + 1) * size);
    const missed = own.reduce((sum, x, i) => sum + x * theta[i]!, 0) - sample / 3;
    for (const [i, x] of own.entries()) gradient[i]! += 2 * weights[sample]! * missed * x;
  }
  return gradient;
}

const upper = upperWeights([true, true, false, false], PAPER);
const even = [0.25, 0.25, 0.25, 0.25];

function begun(maskLr: number): MaskState {
  const tuned = Float64Array.from(numbers(23, size));
  const delta = Float64Array.from(numbers(22, size), (published, i) => published - tuned[i]!);
  const logits = Float64Array.from(numbers(24, 3), (x) => 0.3 * x);
  return new MaskState(slices, tuned, delta, logits, { ...terms, maskLr });
}

test(`logits, model and Δ after each step equal ${repository}'s`, () => {
  const mask = begun(run.maskLr);
  for (const [step, state] of run.states.entries()) {
    if (step % 3 === 0) mask.publish(gradientOf(mask.theta, upper));
    else mask.imitate(gradientOf(mask.theta, even));
    for (const part of ["logits", "theta", "delta"] as const)
      expect(farthest(mask[part], state[part])).toBeLessThanOrEqual(1e-5);
  }
});

test("logits that a step would move beyond 1 or -1 stop there; the reference code's go on", () => {
  const mask = begun(bold.maskLr);
  mask.publish(gradientOf(mask.theta, upper));
  const theirs = bold.states[0]!.logits;
  expect(Math.max(...theirs.map(Math.abs))).toBeGreaterThan(1);
  const bounded = theirs.map((x) => Math.max(-1, Math.min(1, x)));
  expect(farthest(mask.logits, bounded)).toBeLessThanOrEqual(1e-5);
});
