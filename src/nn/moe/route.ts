import {
  type ColumnGroups,
  chosenTopK,
  divide,
  type ExpertOrder,
  expertOrder,
  full,
  plus,
  scale,
  sigmoid,
  softmax,
  spread,
  sum,
  type Tensor,
  topK,
} from "../../graph/index.ts";

/** The way tokens choose their experts. */
export interface RouterConfig {
  /** The number of experts in a layer. */
  readonly count: number;
  /** The number of experts that each token chooses. */
  readonly active: number;
  /**
   * `chosen`: gates are a softmax over the chosen experts' logits (equal to a normalised softmax over all). `all`: a
   * softmax over all logits, so gates sum to less than 1. With one active expert, `chosen` gives the router no gradient.
   */
  readonly gates: "chosen" | "all" | ScoredGates;
}

/** Gates from a score for each expert (DeepSeek-V2 and V3, 2024). */
export interface ScoredGates {
  /** A softmax over all experts, or each expert's own sigmoid. */
  readonly score: "softmax" | "sigmoid";
  /** True if experts are chosen by score plus a bias per expert, which balances their load. */
  readonly biased: boolean;
  /** Added to the sum that divides the chosen gates; if absent, gates are not divided. */
  readonly epsilon?: number | undefined;
  /** A factor for the gates. */
  readonly factor: number;
  /** Experts are chosen from a few groups of neighbours; from all experts if absent. */
  readonly groups?: ColumnGroups | undefined;
}

/** The experts chosen for each token. */
export interface Routing extends ExpertOrder {
  /** i64 [..., active], the likeliest first. */
  readonly chosen: Tensor;
  /** f32 [..., active] */
  readonly gates: Tensor;
}

/**
 * Chooses experts from a router's logits [..., count] (Shazeer et al. 2017). Among equal logits, the first expert wins.
 * Experts have no capacity limit, so every choice is computed (dropless, MegaBlocks, Gale et al. 2022). `bias` [count]
 * is for biased gates.
 */
export function route(logits: Tensor, { count, active, gates }: RouterConfig, bias?: Tensor): Routing {
  if (typeof gates === "object") {
    const scored = scoredGates(logits, active, gates, bias);
    return { ...scored, ...expertOrder(scored.chosen, count) };
  }
  const { values, chosen } = topK(gates === "all" ? softmax(logits) : logits, active);
  return { chosen, gates: gates === "all" ? values : softmax(values), ...expertOrder(chosen, count) };
}

function scoredGates(
  logits: Tensor,
  active: number,
  { score, epsilon, factor, groups }: ScoredGates,
  bias: Tensor | undefined,
) {
  const scores = score === "softmax" ? softmax(logits) : sigmoid(logits);
  const { values, chosen } = chosenTopK(scores, active, { bias, groups });
  if (epsilon === undefined) return { chosen, gates: scaled(values, factor) };
  const last = values.shape.length - 1;
  const total = sum(values, last);
  const divisor = plus(total, full(total, epsilon));
  return { chosen, gates: scaled(divide(values, spread(divisor, last, active)), factor) };
}

const scaled = (gates: Tensor, factor: number): Tensor => (factor === 1 ? gates : scale(gates, factor));
