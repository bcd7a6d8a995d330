import { full, minus, plus, scale, sigmoid, type Tensor, times } from "../../../graph/index.ts";
import { binaryEntropy } from "./localiser-loss.ts";

/** The share of right answers' losses, and the power that quiets those that are known. */
export interface Focal {
  readonly alpha: number;
  readonly gamma: 0 | 2;
}

/**
 * The sigmoid focal loss of each logit (Lin et al. 2017, equation 5; RegionSpot's code takes alpha 0.25 and gamma 2):
 * `right` is 1 for a right answer and 0 for a wrong one, of the logits' shape.
 */
export function focalLoss(logits: Tensor, right: Tensor, { alpha, gamma }: Focal): Tensor {
  const share = plus(scale(right, 2 * alpha - 1), full(right, 1 - alpha));
  const weighted = times(binaryEntropy(logits, right), share);
  if (gamma === 0) return weighted;
  // The probability of the other answer: p for a wrong one, 1 − p for a right one.
  const p = sigmoid(logits);
  const other = minus(plus(p, right), scale(times(p, right), 2));
  return times(weighted, times(other, other));
}
