/** Compared with LLaDA's own code, on ten tokens whose logits depend on each position and its neighbours. */
import { expect, test } from "vitest";
import { authorsFixture, farthest, numbers } from "../../util/authors.testing.ts";
import { FakeScorer, MASK, stepsOf } from "./denoise.testing.ts";
import { logLikelihood } from "./likelihood.ts";
import { transferCounts } from "./options.ts";

interface Answer {
  length: number;
  block: number;
  steps: number;
  guidance: number;
  /** The answer's tokens after each step. */
  answers: number[][];
}
interface Fixture {
  answers: Answer[];
  counts: { masked: number; steps: number; counts: number[] }[];
  likelihoods: { answer: number[]; masked: number[]; logLikelihood: number }[];
}
const fixture = authorsFixture<Fixture>("authors.json", import.meta.url);

const words = 8;
const places = numbers(1, 32 * words);
const [left, right] = [numbers(2, 10 * words), numbers(3, 10 * words)];
const scorer = () =>
  new FakeScorer((ids, place) =>
    Array.from({ length: words }, (_, word) => {
      const beside = (table: Float32Array, at: number) => 2 * table[(ids[at] ?? MASK) * words + word]!;
      return 3 * places[place * words + word]! + beside(left, place - 1) + beside(right, place + 1);
    }),
  );

test.each(fixture.answers)(
  "$length tokens in blocks of $block and $steps steps, guidance $guidance",
  async ({ length, answers, ...options }) => {
    const steps = await stepsOf(scorer(), length, options);
    expect(steps.map(({ answer }) => [...answer])).toEqual(answers);
  },
);

test.each(fixture.counts)("$masked tokens in $steps steps", ({ masked, steps, counts }) => {
  expect(transferCounts(masked, steps)).toEqual(counts);
});

test.each(fixture.likelihoods)("the likelihood of $answer over maskings of $masked", async (of) => {
  const { answer, masked, logLikelihood: expected } = of;
  // Masking k tokens draws k, then an order; numbers just below 1 leave the order unchanged.
  const draws = masked.flatMap((k) => [(k - 0.5) / answer.length, ...answer.slice(1).map(() => 1 - 2 ** -40)]);
  const task = { prompt: [7, 7], answer, mask: MASK, samples: masked.length, random: () => draws.shift()! };
  expect(farthest([await logLikelihood(scorer(), task)], [expected])).toBeLessThanOrEqual(1e-5);
});
