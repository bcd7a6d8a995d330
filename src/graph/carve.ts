import { Graph, type Node } from "./graph.ts";
import { costOf } from "./op.ts";
import type { Tensor } from "./tensor.ts";

type NamedTensors = Readonly<Record<string, Tensor>>;

/**
 * The part of a graph that computes some tensors from others, as a separate graph over the same tensors. Graph inputs
 * and constants that it reads keep their names.
 */
export function carve(graph: Graph, from: NamedTensors, to: NamedTensors): Graph {
  const part = new Graph(graph);
  const sources = new Set(Object.values(from).map((t) => t.id));
  const needed = new Set(Object.values(to).map((t) => t.id));
  for (const node of [...graph.nodes].reverse()) {
    if (!node.outputs.some((t) => needed.has(t.id) && !sources.has(t.id))) continue;
    part.nodes.unshift(node);
    for (const t of node.inputs) needed.add(t.id);
  }
  for (const [name, tensor] of Object.entries(from)) if (needed.has(tensor.id)) part.inputs.push({ name, tensor });
  for (const port of graph.inputs)
    if (needed.has(port.tensor.id) && !sources.has(port.tensor.id)) part.inputs.push(port);
  part.constants.push(...graph.constants.filter(({ tensor }) => needed.has(tensor.id)));
  for (const [name, tensor] of Object.entries(to)) part.output(name, tensor);
  return part;
}

/**
 * Tensors that are worth keeping from a forward pass, the first `forward` nodes, to compute `to` later: results of
 * operators with FLOPs. Norms, activations and the like are cheaper to recompute.
 */
export function tensorsToKeep(graph: Graph, forward: number, to: readonly Tensor[]): Tensor[] {
  const makers = new Map<number, Node>(graph.nodes.flatMap((node) => node.outputs.map((t) => [t.id, node] as const)));
  const early = new Set(graph.nodes.slice(0, forward));
  const tensors = new Map<number, Tensor>();
  const seen = new Set<number>();
  const visit = (tensor: Tensor): void => {
    if (seen.has(tensor.id)) return;
    seen.add(tensor.id);
    const node = makers.get(tensor.id);
    if (node === undefined) return;
    if (early.has(node) && hasProducts(node)) tensors.set(tensor.id, tensor);
    else for (const t of node.inputs) visit(t);
  };
  for (const t of to) visit(t);
  return [...tensors.values()].sort((a, b) => a.id - b.id);
}

const hasProducts = ({ op, inputs, outputs, attrs }: Node): boolean => costOf(op, inputs, outputs, attrs).flops !== 0;
