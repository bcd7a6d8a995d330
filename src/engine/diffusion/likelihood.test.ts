import { expect, test } from "vitest";
import { seededRandom } from "../../util/random.ts";
import { FakeScorer, MASK } from "./denoise.testing.ts";
import { logLikelihood } from "./likelihood.ts";

const draw = seededRandom(4);
/** A random joint distribution of three tokens, each 0 or 1. */
const weights = Array.from({ length: 8 }, () => 0.1 + draw());
const joint = weights.map((w) => w / weights.reduce((a, b) => a + b, 0));
const bits = (code: number): number[] => [code >> 2, (code >> 1) & 1, code & 1];

/** The probability of a token at a position, given the unmasked tokens. */
function conditional(known: readonly number[], place: number, token: number): number {
  const fits = (code: number) => bits(code).every((bit, i) => known[i] === MASK || known[i] === bit);
  const all = joint.map((p, code) => (fits(code) ? p : 0));
  const sum = (of: (code: number) => boolean) => all.reduce((total, p, code) => total + (of(code) ? p : 0), 0);
  return sum((code) => bits(code)[place] === token) / sum(() => true);
}

const scorer = () =>
  new FakeScorer((ids, place) => [0, 1].map((token) => Math.log(conditional([...ids.subarray(2)], place - 2, token))));

const task = { prompt: [7, 7], mask: MASK, random: seededRandom(5) };

test("with exact conditionals the estimate converges to the likelihood", async () => {
  for (const code of [0, 3, 6]) {
    const exact = Math.log(joint[code]!);
    const result = await logLikelihood(scorer(), { ...task, answer: bits(code), samples: 4000 });
    expect(Math.abs(result - exact)).toBeLessThan(0.03);
  }
});

test("logits that are no numbers are refused, not scored", async () => {
  const broken = new FakeScorer(() => [Math.log(0.2), Number.NaN]);
  await expect(logLikelihood(broken, { ...task, answer: [0, 1], samples: 4 })).rejects.toThrow("not finite");
});

test("one masking is exact for one token", async () => {
  const one = new FakeScorer(() => [Math.log(0.2), Math.log(0.8)]);
  expect(await logLikelihood(one, { ...task, answer: [1], samples: 128 })).toBeCloseTo(Math.log(0.8), 6);
  expect(one.passes).toBe(1);
});
