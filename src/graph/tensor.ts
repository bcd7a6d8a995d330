import { type Dim, mul, type Shape, volume } from "./dim.ts";
import type { Graph } from "./graph.ts";

export type DType = "f32" | "f16" | "i64" | "i32" | "i8" | "u8" | "bool";

export const bytesPerElement: Readonly<Record<DType, number>> = {
  f32: 4,
  f16: 2,
  i64: 8,
  i32: 4,
  i8: 1,
  u8: 1,
  bool: 1,
};

/** A tensor's element type and (symbolic) shape while tracing, outermost dimension first. */
export interface TensorType {
  readonly dtype: DType;
  readonly shape: Shape;
}

/** A value in a graph: nothing is computed until the graph is compiled and run. */
export interface Tensor extends TensorType {
  readonly graph: Graph;
  readonly id: number;
}

/** The number of bytes that a tensor of this type takes in memory. */
export const sizeInBytes = (t: TensorType): Dim => mul(volume(t.shape), bytesPerElement[t.dtype]);
