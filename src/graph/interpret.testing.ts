import type { Bindings } from "./dim.ts";
import type { Graph } from "./graph.ts";
import type { NdArray } from "./ndarray.ts";

/**
 * Runs a graph with its operators' float64 reference forms: slow, but the compiled form is tested against it. `feeds`
 * holds inputs by name and constants by name.
 */
export function interpret(
  graph: Graph,
  feeds: Readonly<Record<string, NdArray>>,
  bindings: Bindings,
): Record<string, NdArray> {
  const values = new Map<number, NdArray>();
  for (const { name, tensor } of [...graph.inputs, ...graph.constants]) {
    const value = feeds[name];
    if (value === undefined) throw new Error(`no value for "${name}"`);
    values.set(tensor.id, value);
  }
  for (const node of graph.nodes) {
    const results = node.op.reference(
      node.inputs.map((t) => values.get(t.id)!),
      node.attrs,
      bindings,
    );
    for (const [i, t] of node.outputs.entries()) values.set(t.id, results[i]!);
  }
  return Object.fromEntries(graph.outputs.map(({ name, tensor }) => [name, values.get(tensor.id)!]));
}
