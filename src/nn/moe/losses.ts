import {
  expertOrder,
  expertShares,
  log,
  minus,
  scale,
  softmax,
  sum,
  sumTo,
  type Tensor,
  times,
  topK,
  volume,
} from "../../graph/index.ts";

/** Rows of logits, whose sizes are numbers. */
const rowsOf = (logits: Tensor): number => Number(volume(logits.shape.slice(0, -1)));

/** The mean of a tensor's numbers over all of its `count` places, f32 []. */
const meanOf = (x: Tensor, count: number): Tensor => scale(sumTo(x, []), 1 / count);

/**
 * Load balancing (Switch Transformer, Fedus et al. 2022, section 2.2), of a router's logits [..., experts]: experts · Σ f P
 * with f the shares of all choices and P the mean probabilities, f32 []. Balanced routers have 1; transformers' form,
 * in which f counts choices per token, is `active` times that. Shares have no gradient.
 */
export function balanceLoss(logits: Tensor, active: number): Tensor {
  const experts = Number(logits.shape.at(-1));
  const { sizes } = expertOrder(topK(logits, active).chosen, experts);
  const probabilities = scale(sumTo(softmax(logits), [experts]), 1 / rowsOf(logits));
  return scale(sum(times(probabilities, expertShares(sizes)), 0), experts);
}

/** The router z-loss (ST-MoE, Zoph et al. 2022): the mean square of log Σ exp of the logits [..., experts], f32 []. */
export function routerZLoss(logits: Tensor): Tensor {
  // The likeliest expert's probability is at least 1 / experts, so its logarithm is finite.
  const likeliest = minus(topK(logits, 1).values, log(topK(softmax(logits), 1).values));
  return meanOf(times(likeliest, likeliest), rowsOf(logits));
}
