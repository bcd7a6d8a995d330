import type { Graph } from "../../graph/index.ts";
import type { Binding } from "../../runtime/program.ts";
import { gradientName, isTrained, sumName, type TrainedInputs } from "../graphs/graphs.ts";
import type { ParameterStore } from "./parameters.ts";

/** Binds a graph's weights to the store or to their files, and the gradients of trained weights to the store. */
export function bindWeights(graph: Graph, { weights, trained }: TrainedInputs, store: ParameterStore): Binding {
  const origin = graph.origin ?? graph;
  const frozen = weights
    .frozenOf(origin)
    .map(({ input, tensor, data }) => [input, store.mapped.of(tensor, data)] as const);
  const views = weights.inputsOf(origin).flatMap((joined) => {
    const value = [joined.input, store.view("values", joined)] as const;
    if (!isTrained(joined, trained)) return [value];
    const gradient = store.view("gradients", joined);
    return [value, [sumName(joined.input), gradient] as const, [gradientName(joined.input), gradient] as const];
  });
  return Object.fromEntries([...frozen, ...views]);
}
