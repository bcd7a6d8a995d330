import { FLOPS_PER_LOGIT, type ScoreOptions, scoreOptions, scoresOf } from "../../scores.ts";

/** Measures of a model's confidence, from the first answer token's logits; all NaN if a logit is not finite. */
export interface Signals {
  /** −F = log Σ exp(z) over the vocabulary (E-LANG, arXiv 2203.00748); a higher value means more confidence. */
  readonly energy: number;
  /** In nats; a higher value means less confidence. */
  readonly entropy: number;
  /** The greatest probability minus the second. */
  readonly margin: number;
  /** log p of the likeliest token. */
  readonly maxLogProb: number;
}

const KINDS: readonly ScoreOptions[] = (["energy", "entropy", "margin", "softmax"] as const).map((score) =>
  scoreOptions.parse({ score }),
);

export function signalsOf(logits: ArrayLike<number>): Signals {
  const [energy, negativeEntropy, margin, most] = scoresOf(logits, KINDS) as [number, number, number, number];
  return { energy, entropy: -negativeEntropy, margin, maxLogProb: Math.log(most) };
}

/** FLOPs to compute one token's signals. */
export const signalFlops = (vocabulary: number): number => FLOPS_PER_LOGIT * vocabulary;

/**
 * Self-RAG's ratio p_R / (p_R + p_N) of two probabilities, such as those for "yes, look it up" and "no" (arXiv 2310.11511).
 * One of its public scripts uses log-probabilities, and so reverses the ratio.
 * @throws RangeError for invalid probabilities
 */
export function reflectionRatio(retrieve: number, not: number): number {
  for (const p of [retrieve, not])
    if (!(p >= 0 && p <= 1)) throw new RangeError(`reflectionRatio: expected probabilities, got ${p}`);
  return retrieve / (retrieve + not);
}

/** Self-RAG's ratio from a token's logits; a word's ids (`yes`, ` Yes`) are added. NaN if a logit is not finite. */
export function reflectionOf(logits: ArrayLike<number>, retrieve: readonly number[], not: readonly number[]): number {
  const values = [...retrieve, ...not].map((id) => logits[id] ?? Number.NaN);
  if (!values.every(Number.isFinite)) return Number.NaN;
  // The other tokens' probabilities cancel out of the ratio.
  const most = Math.max(...values);
  const weights = values.map((z) => Math.exp(z - most));
  const total = weights.reduce((sum, w) => sum + w, 0);
  const chosen = weights.slice(0, retrieve.length).reduce((sum, w) => sum + w, 0);
  return reflectionRatio(Math.min(1, chosen / total), Math.max(0, 1 - chosen / total));
}
