import {
  divide,
  full,
  type Graph,
  minus,
  plus,
  scale,
  sigmoid,
  softplus,
  sum,
  type Tensor,
  times,
} from "../../../graph/index.ts";
import { BOX_NUMBERS, type Localiser } from "../../../models/own-networks/localiser.ts";

/** Binary cross-entropy from a logit: log(1 + exp(x)) − x·y. */
export const binaryEntropy = (logits: Tensor, right: Tensor): Tensor => minus(softplus(logits), times(logits, right));

const one = (like: Tensor): Tensor => full(like, 1);

/**
 * A localiser's mean loss over a batch's boxes: for objects' boxes (`weight` 1), the mean cross-entropy of the mask's
 * cells plus the Dice loss (Milletari et al. 2016); for all boxes, the cross-entropy of the predicted fit. Inputs:
 * `pixels`, `boxes`, `covered`, `right` [pictures, regions, cells], `weight` and `fit` [pictures, regions].
 */
export function localiserLoss(g: Graph, localiser: Localiser, pictures: number, regions: number): Tensor {
  const { channels, imageSize } = localiser.config.image;
  const pixels = g.input("pixels", "f32", [pictures, channels, imageSize, imageSize]);
  const boxes = g.input("boxes", "f32", [pictures, regions, BOX_NUMBERS]);
  const covered = g.input("covered", "f32", [pictures, regions, localiser.patches * localiser.config.cells ** 2]);
  const { masks, fits } = localiser.regions(g, localiser.features(g, pixels), boxes, covered);
  const right = g.input("right", "f32", masks.shape);
  const each = (name: string) => g.input(name, "f32", [pictures, regions]);
  const cells = Number(masks.shape[2]);
  const entropy = scale(sum(binaryEntropy(masks, right), 2), 1 / cells);
  const drawn = plus(entropy, dice(sigmoid(masks), right));
  const all = plus(times(drawn, each("weight")), binaryEntropy(fits, each("fit")));
  return scale(sum(sum(all, 1), 0), 1 / (pictures * regions));
}

/** The Dice loss 1 − (2·Σpy + 1) / (Σp + Σy + 1). */
function dice(p: Tensor, y: Tensor): Tensor {
  const shared = scale(sum(times(p, y), 2), 2);
  const whole = sum(plus(p, y), 2);
  return minus(one(whole), divide(plus(shared, one(whole)), plus(whole, one(whole))));
}
