import { evalShape } from "./dim.ts";
import { pullback, type TensorGradient } from "./gradient.ts";
import { type GradientCase, noise } from "./gradient-case.testing.ts";
import { Graph } from "./graph.ts";
import { type NdArray, ndarray } from "./ndarray.ts";
import type { Tensor } from "./tensor.ts";

/** A case's graph. Each float output's gradient is an input. */
export interface TracedCase {
  readonly graph: Graph;
  readonly tensors: Readonly<Record<string, Tensor>>;
  readonly given: readonly TensorGradient[];
  readonly feeds: Readonly<Record<string, NdArray>>;
  /** Inputs that may have a gradient. */
  readonly changes: readonly string[];
}

export function traced(c: GradientCase): TracedCase {
  const graph = new Graph();
  const tensors: Record<string, Tensor> = {};
  const feeds: Record<string, NdArray> = {};
  for (const [name, { dtype, shape, symbolic, data }] of Object.entries(c.inputs)) {
    tensors[name] = graph.input(name, dtype, symbolic ?? shape);
    feeds[name] = ndarray(shape, data);
  }
  const outputs = c.trace(tensors, graph).filter((t) => t.dtype === "f32");
  const given = outputs.map((of, i) => {
    const shape = evalShape(of.shape, c.bindings ?? {});
    feeds[`given${i}`] = ndarray(shape, noise(100 + i, shape).data);
    return { of, gradient: graph.input(`given${i}`, "f32", of.shape) };
  });
  for (const [i, t] of outputs.entries()) graph.output(`output${i}`, t);
  const changes = Object.keys(c.inputs).filter((name) => c.inputs[name]!.dtype === "f32" && !c.inputs[name]!.fixed);
  return { graph, tensors, feeds, given, changes };
}

/** Inputs that some output depends on through operators with a gradient. */
export function reached({ given, changes, tensors }: TracedCase): string[] {
  return changes.filter((name) => {
    try {
      pullback(given, [tensors[name]!]);
      return true;
    } catch (error) {
      if (error instanceof Error && error.message === `the loss does not depend on "${name}"`) return false;
      throw error;
    }
  });
}
