import { auroc } from "../metrics/index.ts";

/** An input's score, higher if easier, and how good Swift's answer was, 0 to 1. */
export interface Scored {
  readonly score: number;
  readonly swift: number;
}

/**
 * Chance that an input that Swift answers wrong scores lower than one that it answers right, equal scores counting half; NaN if it answers all
 * alike. Right is a quality of a half or more.
 */
export const aurocOfWrong = (inputs: readonly Scored[]): number => auroc.quality(inputs.map(wrongPart));

/** The metric's parts: whether Swift is wrong, and how hard the input seems, for either label. */
export function wrongPart({ score, swift }: Scored): readonly [number, number, number] {
  // A NaN score marks an input as hard.
  const ease = Number.isNaN(score) ? Number.NEGATIVE_INFINITY : score;
  return [Number(swift < 0.5), ease, -ease];
}
