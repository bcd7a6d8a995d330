/** Added to counts, so that a side without samples gets the weight 0 instead of NaN. */
const FEW = 1e-5;

/** The gain from relearning on each side; 1 for the paper's loss. */
export interface Gaps {
  readonly illegal: number;
  readonly innocent: number;
}

export const PAPER: Gaps = { illegal: 1, innocent: 1 };

/**
 * Each sample's weight in the upper loss (−L_illegal + L_innocent) / 2, where each side's loss is the mean over its
 * samples. `illegal` is true for samples of the illegal side.
 */
export function upperWeights(illegal: readonly boolean[], gaps: Gaps): Float32Array {
  const count = illegal.filter(Boolean).length;
  const worst = -1 / (2 * (count + FEW) * gaps.illegal);
  const best = 1 / (2 * (illegal.length - count + FEW) * gaps.innocent);
  return Float32Array.from(illegal, (is) => (is ? worst : best));
}
