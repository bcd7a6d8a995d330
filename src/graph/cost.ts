import { add, type Bindings, evalDim } from "./dim.ts";
import type { Graph } from "./graph.ts";
import { type Cost, costOf } from "./op.ts";

/** FLOPs and bytes of one run on known shapes. */
export interface Spent {
  flops: number;
  bytes: number;
}

export function addSpent(sum: Spent, { flops, bytes }: Spent): void {
  sum.flops += flops;
  sum.bytes += bytes;
}

/** The cost of one run of the whole graph, or of the operators that `counts` accepts, as polynomials over its symbols. */
export function graphCost(graph: Graph, counts: (op: string) => boolean = () => true): Cost {
  const costs = graph.nodes.filter((n) => counts(n.op.name)).map((n) => costOf(n.op, n.inputs, n.outputs, n.attrs));
  return sumCosts(costs);
}

export function sumCosts(costs: readonly Cost[]): Cost {
  const experts = costs.flatMap((c) => c.experts ?? []);
  const overhead = costs.flatMap((c) => c.overhead ?? []);
  return {
    flops: add(...costs.map((c) => c.flops)),
    read: add(...costs.map((c) => c.read)),
    written: add(...costs.map((c) => c.written)),
    ...(experts.length > 0 && { experts: add(...experts) }),
    ...(overhead.length > 0 && { overhead: add(...overhead) }),
  };
}

export function evalCost(cost: Cost, bindings: Bindings): Spent {
  return {
    flops: evalDim(cost.flops, bindings),
    bytes: evalDim(cost.read, bindings) + evalDim(cost.written, bindings),
  };
}
