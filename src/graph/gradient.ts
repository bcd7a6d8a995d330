import { sameShape } from "./dim.ts";
import type { Graph, Node } from "./graph.ts";
import { apply1, type Op, showType } from "./op.ts";
import { plus } from "./ops/elementwise.ts";
import { full } from "./ops/reduce.ts";
import type { Tensor } from "./tensor.ts";

/** A tensor and its gradient. */
export interface TensorGradient {
  readonly of: Tensor;
  readonly gradient: Tensor;
}

/** The gradients of a loss, f32 [], with respect to the tensors, recorded in their graph. */
export function gradient(loss: Tensor, of: readonly Tensor[]): Tensor[] {
  if (loss.dtype !== "f32" || loss.shape.length > 0)
    throw new Error(`gradient: the loss is ${showType(loss)}, expected one number, f32[]`);
  return pullback([{ of: loss, gradient: full(loss, 1) }], of);
}

/**
 * The gradients of a loss with respect to the tensors `of`, from its gradients with respect to tensors that depend on
 * them (reverse mode). Operators off the paths between them contribute nothing. If possible, a gradient is added
 * directly to its entry in `sums`.
 * @throws Error that names a tensor that no output depends on, or an operator without a gradient
 */
export function pullback(
  seeds: readonly TensorGradient[],
  of: readonly Tensor[],
  sums: readonly (Tensor | undefined)[] = [],
): Tensor[] {
  if (of.length === 0) return [];
  const { graph } = of[0]!;
  const nodes = [...graph.nodes];
  const changing = dependents(nodes, of);
  const gradients = new Gradients(of, sums);
  for (const { of: tensor, gradient } of seeds) gradients.add(tensor, gradient);
  for (const node of nodes.reverse()) {
    const outputs = node.outputs.map((t) => (changing.has(t.id) ? gradients.of(t) : undefined));
    if (outputs.some((t) => t !== undefined)) pull(node, outputs, changing, gradients);
  }
  return of.map((t) => gradients.of(t) ?? unreached(graph, t));
}

/** The ids of all tensors that depend on `of`; integer tensors never do. */
function dependents(nodes: readonly Node[], of: readonly Tensor[]): Set<number> {
  const ids = new Set(of.map((t) => t.id));
  for (const { op, inputs, outputs } of nodes)
    if (op.gradient !== "none" && inputs.some((t) => ids.has(t.id)))
      for (const t of outputs) if (t.dtype === "f32") ids.add(t.id);
  return ids;
}

/** The name of an operand that only determines the shape of a result. */
const SHAPE_ALONE = "like";

function pull(
  { op, inputs, outputs, attrs }: Node,
  upstream: readonly (Tensor | undefined)[],
  changing: ReadonlySet<number>,
  gradients: Gradients,
): void {
  const wanted = inputs.map((t) => changing.has(t.id));
  if (!wanted.includes(true)) return;
  if (typeof op.gradient !== "function") throw new Error(untrained(op));
  const results = op.gradient({ inputs, outputs, attrs, upstream, wanted });
  for (const [i, input] of inputs.entries()) {
    if (!wanted[i] || op.operands[i] === SHAPE_ALONE) continue;
    const result = results[i];
    if (!result || !sameShape(result.shape, input.shape))
      throw new Error(
        `${op.name}: its gradient rule returns ${result ? showType(result) : "nothing"} for "${op.operands[i]}", ${showType(input)}`,
      );
    gradients.add(input, result);
  }
}

const untrained = ({ name, trainedAs }: Op<unknown>): string =>
  `${name} has no gradient: ${trainedAs ? `training uses ${trainedAs} instead` : "it runs only in inference"}`;

function unreached(graph: Graph, tensor: Tensor): never {
  const port = [...graph.inputs, ...graph.constants].find((p) => p.tensor.id === tensor.id);
  throw new Error(`the loss does not depend on ${port ? `"${port.name}"` : `the tensor ${showType(tensor)}`}`);
}

/** Each tensor's gradient, summed over its uses and `sums`. */
class Gradients {
  readonly #totals = new Map<number, Tensor>();
  readonly #sums: ReadonlyMap<number, Tensor | undefined>;

  constructor(of: readonly Tensor[], sums: readonly (Tensor | undefined)[]) {
    this.#sums = new Map(of.map((t, i) => [t.id, sums[i]]));
  }

  of(tensor: Tensor): Tensor | undefined {
    return this.#totals.get(tensor.id);
  }

  add(tensor: Tensor, gradient: Tensor): void {
    const sum = this.#totals.get(tensor.id) ?? this.#sums.get(tensor.id);
    this.#totals.set(tensor.id, sum ? added(sum, gradient) : gradient);
  }
}

/** sum + gradient. The gradient's operator does the addition if it can and nothing else reads its output. */
function added(sum: Tensor, gradient: Tensor): Tensor {
  const { nodes } = gradient.graph;
  const at = nodes.findLastIndex((n) => n.outputs[0] === gradient);
  const node = nodes[at];
  const read = nodes.slice(at + 1).some((n) => n.inputs.includes(gradient));
  if (!node || node.op.addsTo !== node.inputs.length || read) return plus(sum, gradient);
  nodes.splice(at, 1);
  return apply1(node.op, [...node.inputs, sum], node.attrs);
}
