import { mixExperts, reshape, type Tensor, toExperts, toSlots, transpose } from "../../graph/index.ts";
import type { Matrix } from "../../weights/weight-source.ts";
import { projectGroups } from "./experts.ts";
import type { Routing } from "./route.ts";

/** The number of key-value heads, which is also the number of heads in each attention expert, and the heads' size. */
interface ExpertHeads {
  readonly kvHeads: number;
  readonly headSize: number;
}

/**
 * A mixture of attention heads (MoA, Zhang et al. 2022; JetMoE's map). x [batch, tokens, hidden] → the queries of each
 * token's experts [batch, tokens, kvHeads·active·headSize]. Head h of every expert reads key-value head h, so queries
 * that share a key-value head are adjacent, as grouped-query attention expects: h·active + slot.
 */
export function expertQueries(x: Tensor, routing: Routing, matrices: readonly Matrix[], heads: ExpertHeads): Tensor {
  const { chosen, sizes } = routing;
  const active = Number(chosen.shape.at(-1));
  const rows = projectGroups(toExperts(x, routing, active), sizes, matrices);
  return byKvHead(toSlots(rows, routing), heads, active);
}

/** JetMoE's reduce: attention's result, with heads in `expertQueries`' layout → the mixed outputs [batch, tokens, hidden]. */
export function mixAttended(attended: Tensor, routing: Routing, matrices: readonly Matrix[], heads: ExpertHeads) {
  const { chosen, gates, sizes } = routing;
  const slots = bySlot(attended, heads, Number(chosen.shape.at(-1)));
  const outputs = projectGroups(toExperts(slots, routing, 1), sizes, matrices);
  return mixExperts(toSlots(outputs, routing), gates);
}

/** [batch, tokens, active, kvHeads·headSize] → [batch, tokens, kvHeads·active·headSize]. */
function byKvHead(x: Tensor, { kvHeads, headSize }: ExpertHeads, active: number): Tensor {
  const [batch, tokens] = [x.shape[0]!, x.shape[1]!];
  const apart = reshape(x, [batch, tokens, active, kvHeads, headSize]);
  return reshape(transpose(apart, [0, 1, 3, 2, 4]), [batch, tokens, kvHeads * active * headSize]);
}

/** The inverse of `byKvHead`. */
function bySlot(x: Tensor, { kvHeads, headSize }: ExpertHeads, active: number): Tensor {
  const [batch, tokens] = [x.shape[0]!, x.shape[1]!];
  const apart = reshape(x, [batch, tokens, kvHeads, active, headSize]);
  return reshape(transpose(apart, [0, 1, 3, 2, 4]), [batch, tokens, active, kvHeads * headSize]);
}
