import { add, type Bindings, type Dim, showShape } from "./dim.ts";
import type { NdArray } from "./ndarray.ts";
import type { Emitter } from "./onnx.ts";
import { sizeInBytes, type Tensor, type TensorType } from "./tensor.ts";

/**
 * The cost of running an operator once. `flops` counts the multiplies and adds of products (matrix products, attention,
 * convolutions), as is usual. Norms, activations, softmax and rotary embedding appear only in `read` and `written`
 * (bytes).
 */
export interface Cost {
  readonly flops: Dim;
  readonly read: Dim;
  readonly written: Dim;
  /** The number of experts that ran, one count per token; absent if no experts ran. */
  readonly experts?: Dim;
  /** The part of `flops` that a dense run would not spend; 0 if absent. */
  readonly overhead?: Dim;
}

/** One use of an operator, with the gradients of its outputs. */
interface Pullback<A> {
  readonly inputs: readonly Tensor[];
  readonly outputs: readonly Tensor[];
  readonly attrs: A;
  /** The loss's gradient with respect to each output; undefined if the loss does not depend on it. At least one is defined. */
  readonly upstream: readonly (Tensor | undefined)[];
  /** True for each input whose gradient is needed; false for integers. */
  readonly wanted: readonly boolean[];
}

/** The loss's gradient for each wanted input, in its shape, built from operators; may be undefined for other inputs. */
export type GradientRule<A> = (p: Pullback<A>) => readonly (Tensor | undefined)[];

/** An operator, defined in one place. `A` is the type of its attributes, which are known while tracing. */
export interface Op<A> {
  readonly name: string;
  /** Names of the operands, for error messages. */
  readonly operands: readonly string[];
  /** The operand of which a run reads only a few rows, if any. */
  readonly table?: number;
  /** Shape rule: output types from input types; throws ShapeError. */
  infer(inputs: readonly TensorType[], attrs: A): TensorType[];
  /** ONNX form: emits nodes that compute `outputs` from `inputs`. */
  onnx(emit: Emitter, io: { inputs: string[]; outputs: string[]; types: readonly TensorType[] }, attrs: A): void;
  /** Cost rule. If absent, the operator has no products, reads every input once and writes every output once. */
  cost?(inputs: readonly TensorType[], outputs: readonly TensorType[], attrs: A): Partial<Cost>;
  /**
   * Gradient rule; "none" if a small change of a float input changes no output. Absent for inference-only operators.
   */
  readonly gradient?: "none" | GradientRule<A>;
  /** The optional last operand: a sum to which the operator's only output is added. */
  readonly addsTo?: number;
  /** The operator that replaces this one in training, if this one has no gradient rule. */
  readonly trainedAs?: string;
  /** A plain float64 computation; the compiled form is tested against it. */
  reference(inputs: readonly NdArray[], attrs: A, bindings: Bindings): NdArray[];
}

/** A mismatch found while tracing: names the operator, the operand and both shapes. */
export class ShapeError extends Error {
  override readonly name = "ShapeError";
  constructor(op: string, operand: string, got: string, expected: string) {
    super(`${op}: operand "${operand}" is ${got}, expected ${expected}`);
  }
}

export const showType = (t: TensorType): string => `${t.dtype}${showShape(t.shape)}`;

/** The operator's cost; by default one pass over its inputs and outputs. */
export function costOf<A>(op: Op<A>, inputs: readonly TensorType[], outputs: readonly TensorType[], attrs: A): Cost {
  const sum = (types: readonly TensorType[]) => add(...types.map(sizeInBytes));
  return { flops: 0, read: sum(inputs), written: sum(outputs), ...op.cost?.(inputs, outputs, attrs) };
}

/** Records `op` in the graph of its first operand. Returns its outputs. */
export function apply<A>(op: Op<A>, inputs: readonly Tensor[], attrs: A): Tensor[] {
  return inputs[0]!.graph.record(op, inputs, attrs);
}

/** Like `apply`, for operators with one output. */
export function apply1<A>(op: Op<A>, inputs: readonly Tensor[], attrs: A): Tensor {
  return apply(op, inputs, attrs)[0]!;
}
