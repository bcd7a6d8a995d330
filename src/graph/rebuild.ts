import { Graph, type Node } from "./graph.ts";
import type { Tensor } from "./tensor.ts";

/** Changes to a graph. Functions take and return tensors of the new graph. */
export interface Changes {
  /** The replacement for one of a node's operands. */
  operand?(node: Node, index: number, tensor: Tensor): Tensor;
  /** The replacement for one of a node's results, for later nodes and the graph's outputs. */
  result?(node: Node, index: number, tensor: Tensor): Tensor;
}

/** The same computation with changes, as a new graph; inputs, constants and outputs keep their names. */
export function rebuilt(graph: Graph, { operand, result }: Changes): Graph {
  const copy = new Graph(graph.origin ?? graph);
  const tensors = new Map<number, Tensor>();
  for (const { name, tensor } of graph.inputs) tensors.set(tensor.id, copy.input(name, tensor.dtype, tensor.shape));
  for (const { name, tensor, data } of graph.constants) tensors.set(tensor.id, copy.constant(name, tensor, data));
  const known = ({ id }: Tensor) => tensors.get(id)!;
  for (const node of graph.nodes) {
    const inputs = node.inputs.map((t, i) => operand?.(node, i, known(t)) ?? known(t));
    const outputs = copy.record(node.op, inputs, node.attrs);
    for (const [i, t] of node.outputs.entries()) tensors.set(t.id, result?.(node, i, outputs[i]!) ?? outputs[i]!);
  }
  for (const { name, tensor } of graph.outputs) copy.output(name, { ...known(tensor), shape: tensor.shape });
  return copy;
}
