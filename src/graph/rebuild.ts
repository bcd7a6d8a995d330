import { Graph, type Node } from "./graph.ts";
import type { Tensor } from "./tensor.ts";

/** Changes to a graph. The tensors that are given and returned are the new graph's. */
export interface Changes {
  /** The tensor that a node reads in place of one of its operands. */
  operand?(node: Node, index: number, tensor: Tensor): Tensor;
  /** The tensor that the nodes behind it, and the graph's outputs, read in place of one of a node's results. */
  result?(node: Node, index: number, tensor: Tensor): Tensor;
}

/** The same computation with changes, as a new graph whose inputs, constants and outputs keep their names. */
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
