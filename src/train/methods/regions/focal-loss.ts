import { full, minus, plus, scale, sigmoid, type Tensor, times } from "../../../graph/index.ts";
import { binaryEntropy } from "./localiser-loss.ts";

/** The weight of right answers' losses, and the power that damps easy ones. */
export interface Focal {
  readonly alpha: number;
  readonly gamma: 0 | 2;
}

/**
 * The sigmoid focal loss of each logit (Lin et al. 2017, equation 5; RegionSpot's code uses alpha 0.25 and gamma 2):
 * `right` is 1 for a right answer and 0 for a wrong one, in the logits' shape.
 */
export function focalLoss(logits: Tensor, right: Tensor, { alpha, gamma }: Focal): Tensor {
  const share = plus(scale(right, 2 * alpha - 1), full(right, 1 - alpha));
  const weighted = times(binaryEntropy(logits, right), share);
  if (gamma === 0) return weighted;
  // The probability of the opposite answer: p for a wrong one, 1 − p for a right one.
  const p = sigmoid(logits);
  const other = minus(plus(p, right), scale(times(p, right), 2));
  return times(weighted, times(other, other));
}
