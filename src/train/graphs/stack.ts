import type { Dim, Graph, Tensor } from "../../graph/index.ts";
import type { DType } from "../../graph/tensor.ts";
import type { Batch } from "../data/batch.ts";

/** The maximum sizes of a batch. */
export interface Shape {
  readonly rows: number;
  readonly tokens: number;
  /** True if rows hold several documents. */
  readonly packed: boolean;
  /** True if rows have prefixes. */
  readonly prefixed?: boolean;
}

/** A tensor of a batch that programs read. */
export type BatchInput =
  | { readonly dtype: Extract<DType, "i64" | "i32">; readonly shape: readonly number[]; readonly values: Int32Array }
  | { readonly dtype: "f32"; readonly shape: readonly number[]; readonly values: Float32Array };

/** A model's layers between its tokens and its head, over one stream; weights are inputs of the graphs. */
export interface Stack {
  readonly layers: number;
  readonly hidden: number;
  /** The maximum number of positions per row. */
  readonly context: number;
  /**
   * The stream's shape: [rows, tokens, hidden] with fixed sizes or, without padding, [kept, hidden] with a symbolic
   * size.
   */
  stream(shape: Shape): readonly Dim[];
  /** The stream before the first layer. */
  embed(g: Graph, shape: Shape): Tensor;
  layer(g: Graph, layer: number, x: Tensor, shape: Shape): Tensor;
  /**
   * Width of the tensors that travel with the stream before a layer, [rows, tokens, width]; absent or 0 if there are
   * none.
   */
  carriedWidth?(layer: number): number;
  /** The tensors that travel on after the embedding or the layer of a graph; the layer reads them as its input `carried`. */
  carried?(g: Graph): Tensor | undefined;
  /** Experts per mixture, and experts per token; absent if there are no mixtures. */
  readonly experts?: { readonly count: number; readonly active: number } | undefined;
  /** Router logits of the layer in a graph. */
  routers?(g: Graph): readonly Tensor[];
  /**
   * A batch's rows as batches that run through the layers separately, in order; by default, the batch itself. They
   * differ only in the inputs of layers.
   */
  parts?(batch: Batch): readonly Batch[];
  /** The graphs' inputs other than weights, by name. */
  inputs(batch: Batch): Readonly<Record<string, BatchInput>>;
}

/** The batches that run through the layers separately. */
export const partsOf = (stack: Stack, batch: Batch): readonly Batch[] => stack.parts?.(batch) ?? [batch];
