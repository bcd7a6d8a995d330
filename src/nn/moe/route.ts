import { type ExpertOrder, expertOrder, softmax, type Tensor, topK } from "../../graph/index.ts";

/** How tokens choose their experts. */
export interface RouterConfig {
  /** Experts of a layer. */
  readonly count: number;
  /** Experts that each token chooses. */
  readonly active: number;
  /**
   * Gates are a softmax over the chosen experts' logits (which equals one over all experts, normalised), or over all
   * experts' logits, so that they sum to less than 1. The latter gives the router a gradient with one active expert.
   */
  readonly gates: "chosen" | "all";
}

/** The experts of each token. */
export interface Routing extends ExpertOrder {
  /** i64 [..., active], the likeliest first. */
  readonly chosen: Tensor;
  /** f32 [..., active] */
  readonly gates: Tensor;
}

/**
 * Chooses experts by a router's logits [..., count] (Shazeer et al. 2017). Of equal logits the first expert wins. No
 * expert has a capacity: every choice is computed (dropless, MegaBlocks, Gale et al. 2022).
 */
export function route(logits: Tensor, { count, active, gates }: RouterConfig): Routing {
  const { values, chosen } = topK(gates === "all" ? softmax(logits) : logits, active);
  return { chosen, gates: gates === "all" ? values : softmax(values), ...expertOrder(chosen, count) };
}
