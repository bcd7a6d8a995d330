/** Compares noise and loss with LLaDA's training code, with the same draws. */
import { expect, test } from "vitest";
import { authorsFixture, farthest, numbers } from "../../../util/authors.testing.ts";
import type { Batch } from "../../data/batch.ts";
import { maskedBatch } from "./data.ts";

interface Text {
  tokens: number;
  /** The number of leading tokens that are not trained on. */
  prompt: number;
  noisy: number[];
  /** The masked share. */
  share: number;
  loss: number;
}
const { repository, texts } = authorsFixture<{ texts: Text[] }>("authors.json", import.meta.url);
const [MASK, WORDS] = [9, 8];
const places = numbers(1, 32 * WORDS);
const [left, right] = [numbers(2, 10 * WORDS), numbers(3, 10 * WORDS)];

/** The cross-entropy of a token under the fixture's model. */
function lossOf(ids: Int32Array, place: number, token: number): number {
  const logits = Array.from({ length: WORDS }, (_, word) => {
    const beside = (table: Float32Array, at: number) => 2 * table[(ids[at] ?? MASK) * WORDS + word]!;
    return 3 * places[place * WORDS + word]! + beside(left, place - 1) + beside(right, place + 1);
  });
  return Math.log(logits.reduce((sum, z) => sum + Math.exp(z), 0)) - logits[token]!;
}

test.each(texts)(
  `$tokens tokens after $prompt of a prompt, as ${repository} trains them`,
  ({ tokens, prompt, ...of }) => {
    const tokenIds = Int32Array.from({ length: tokens }, (_, i) => i % WORDS);
    const labels = tokenIds.map((id, i) => (i < prompt ? -1 : id));
    const batch: Batch = { rows: 1, tokens, ids: tokenIds, labels, labelled: tokens - prompt, samples: 1 };
    const [time, ...all] = numbers(11, 1 + tokens).map((x) => (x + 1) / 2);
    const draws = [time!, ...all.slice(prompt)];
    const masking = { mask: MASK, shifted: false, epsilon: 1e-3 };
    const { ids, labels: trained, weights } = maskedBatch(batch, masking, () => draws.shift()!);
    expect([...ids]).toEqual(of.noisy);
    const losses = Array.from(trained, (token, at) => (token < 0 ? 0 : weights![at]! * lossOf(ids, at, token)));
    expect(farthest([losses.reduce((a, b) => a + b) / (tokens - prompt)], [of.loss])).toBeLessThanOrEqual(1e-5);
    const weight = Math.max(...weights!);
    expect(farthest([weight], [1 / of.share])).toBeLessThanOrEqual(1e-5);
  },
);
