import type { Graph } from "../graph/index.ts";
import type { Sizes, TableShape, WeightSource } from "./weight-source.ts";

/**
 * The weights of one part of a model, under the part's own names: `name` is `prefix` + `name` in `whole`. Adapters do
 * not apply to the part.
 */
export function prefixed(whole: WeightSource, prefix: string): WeightSource {
  const all = (sizes: Sizes): Sizes => Object.fromEntries(Object.entries(sizes).map(([name, n]) => [prefix + name, n]));
  return {
    config: whole.config,
    has: (name) => whole.has(prefix + name),
    values: (name) => whole.values(prefix + name),
    matrix: (graph, inputs, outputs) => whole.matrix(graph, inputs, all(outputs)),
    vector: (graph, sizes) => whole.vector(graph, all(sizes)),
    table: (graph, name, shape) => whole.table(graph, prefix + name, shape),
    inBlocks: (name, shape) => whole.inBlocks(prefix + name, shape),
    rowsInBlocks: (graph: Graph, name: string, shape: TableShape) => whole.rowsInBlocks(graph, prefix + name, shape),
    computed: (graph, name, shape, make) => whole.computed(graph, name, shape, make),
    update: () => undefined,
    tableUpdate: () => undefined,
  };
}
