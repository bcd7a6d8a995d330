import { shuffle } from "../../util/random.ts";
import { NotFinite } from "../not-finite.ts";
import type { Scorer } from "./denoise.ts";

/** An answer whose likelihood after its prompt is estimated. */
export interface LikelihoodTask {
  readonly prompt: readonly number[];
  readonly answer: readonly number[];
  readonly mask: number;
  /** The number of random maskings; one masking is exact for an answer of one token. */
  readonly samples: number;
  readonly random: () => number;
}

/** The default number of maskings for an estimate, as in LLaDA. */
export const SAMPLES = 128;

/**
 * A Monte Carlo estimate of the lower bound of ln p(answer | prompt): k of L tokens are masked, k uniform in 1 … L, and
 * the sum of log-probabilities is weighted by L/k (Nie et al. 2025, arXiv 2502.09992, equation 6 and algorithm 3).
 */
export async function logLikelihood(scorer: Scorer, task: LikelihoodTask): Promise<number> {
  const { prompt, answer, mask, samples, random } = task;
  const length = answer.length;
  const draws = length === 1 ? 1 : samples;
  let sum = 0;
  for (let draw = 0; draw < draws; draw++) {
    const k = 1 + Math.floor(random() * length);
    const places = shuffle(
      Array.from({ length }, (_, i) => i),
      random,
    ).slice(0, k);
    const ids = Int32Array.from([...prompt, ...answer]);
    for (const at of places) ids[prompt.length + at] = mask;
    const logits = await scorer.score(
      ids,
      places.map((at) => prompt.length + at),
    );
    const nats = places.map((at, i) => logProbability(rowOf(logits, scorer.vocabulary, i), answer[at]!));
    sum += (length / k) * nats.reduce((a, b) => a + b, 0);
  }
  return sum / draws;
}

const rowOf = (logits: Float32Array, width: number, row: number): Float32Array =>
  logits.subarray(row * width, (row + 1) * width);

function logProbability(logits: Float32Array, token: number): number {
  const top = logits.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  let sum = 0;
  for (const z of logits) sum += Math.exp(z - top);
  const nats = logits[token]! - top - Math.log(sum);
  if (Number.isNaN(nats)) throw new NotFinite(`the model gave logits for token ${token} that are not finite`);
  return nats;
}
