import {
  expertShares,
  log,
  minus,
  reshape,
  scale,
  softmax,
  sum,
  sumTo,
  type Tensor,
  times,
  timesRows,
  topK,
} from "../../graph/index.ts";

/**
 * Load balancing (Switch Transformer, Fedus et al. 2022, section 2.2), of a router's logits [..., experts]: experts · Σ
 * f P, with f the shares of choices and P the mean probabilities, f32 []. A balanced router scores 1; in transformers,
 * f counts choices per token, and the loss is `active` times this. Shares have no gradient. Means are weighted by
 * `weights` f32 [...], which sum to 1, with 0 for padding. `over` extends the shares f32 [experts] to more logits, such
 * as a whole step's.
 */
export function balanceLoss(
  logits: Tensor,
  active: number,
  weights: Tensor,
  over: (shares: Tensor) => Tensor = (shares) => shares,
): Tensor {
  const experts = Number(logits.shape.at(-1));
  const weighted = timesRows(softmax(logits), weights);
  const shares = over(expertShares(topK(logits, active).chosen, weights, experts));
  return scale(sum(times(sumTo(weighted, [experts]), shares), 0), experts);
}

/**
 * The router z-loss (ST-MoE, Zoph et al. 2022): the mean square of log Σ exp of the logits [..., experts], weighted by
 * `weights` f32 [...], which sum to 1: f32 [].
 */
export function routerZLoss(logits: Tensor, weights: Tensor): Tensor {
  // The likeliest expert's probability is at least 1 / experts, so its logarithm is finite.
  const likeliest = minus(topK(logits, 1).values, log(topK(softmax(logits), 1).values));
  return sumTo(times(weights, reshape(times(likeliest, likeliest), weights.shape)), []);
}
