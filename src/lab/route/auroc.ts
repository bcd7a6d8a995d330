import { auroc } from "../metrics/index.ts";

/** An input's score, higher if easier, and the quality of Swift's answer, 0 to 1. */
export interface ScoredInput {
  readonly score: number;
  readonly swift: number;
}

/**
 * The probability that an input Swift gets wrong scores lower than an input it gets right, ties counting half; NaN if
 * all its answers are right or all are wrong. An answer counts as right if its quality is at least 0.5.
 */
export const aurocOfWrong = (inputs: readonly ScoredInput[]): number => auroc.quality(inputs.map(wrongPart));

/** The metric's parts: whether Swift is wrong, and each label's score: how easy and how hard the input seems. */
export function wrongPart({ score, swift }: ScoredInput): readonly [number, number, number] {
  // A NaN score marks an input as hard.
  const ease = Number.isNaN(score) ? Number.NEGATIVE_INFINITY : score;
  return [Number(swift < 0.5), ease, -ease];
}
