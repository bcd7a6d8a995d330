import { full, minus, plus, scale, sigmoid, type Tensor, times } from "../../../graph/index.ts";
import { binaryEntropy } from "./localiser-loss.ts";

/** The weight of positive labels' losses, and the exponent that reduces easy labels' losses. */
export interface Focal {
  readonly alpha: number;
  readonly gamma: 0 | 2;
}

/**
 * The sigmoid focal loss of each logit (Lin et al. 2017, equation 5; RegionSpot's code uses alpha 0.25 and gamma 2):
 * `right` is 1 for positive and 0 for negative labels, in the logits' shape.
 */
export function focalLoss(logits: Tensor, right: Tensor, { alpha, gamma }: Focal): Tensor {
  const share = plus(scale(right, 2 * alpha - 1), full(right, 1 - alpha));
  const weighted = times(binaryEntropy(logits, right), share);
  if (gamma === 0) return weighted;
  // The probability of the wrong answer: p for a negative label, 1 − p for a positive label.
  const p = sigmoid(logits);
  const other = minus(plus(p, right), scale(times(p, right), 2));
  return times(weighted, times(other, other));
}
