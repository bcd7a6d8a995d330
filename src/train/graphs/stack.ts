import type { Dim, Graph, Tensor } from "../../graph/index.ts";
import type { DType } from "../../graph/tensor.ts";
import type { Batch } from "../data/batch.ts";

/** The shape of batches: maximum sizes, and the layout of rows. */
export interface Shape {
  readonly rows: number;
  readonly tokens: number;
  /** True if rows hold several documents. */
  readonly packed: boolean;
  /** True if rows have bidirectional prefixes. */
  readonly prefixed?: boolean;
}

/** A batch's tensor that programs read. */
export type BatchInput =
  | { readonly dtype: Extract<DType, "i64" | "i32">; readonly shape: readonly number[]; readonly values: Int32Array }
  | { readonly dtype: "f32"; readonly shape: readonly number[]; readonly values: Float32Array };

/** A model's layers between its embedding and its head, over one stream; weights are graph inputs. */
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
   * The width of the tensors [rows, tokens, width] carried beside the stream into a layer; absent or 0 if none are
   * carried.
   */
  carriedWidth?(layer: number): number;
  /** The tensors that the graph's embedding or layer passes on; the next layer reads them as its input `carried`. */
  carried?(g: Graph): Tensor | undefined;
  /** Experts per mixture, and active experts per token; absent for models without mixtures. */
  readonly experts?: { readonly count: number; readonly active: number } | undefined;
  /** The router logits that a graph's layer computes. */
  routers?(g: Graph): readonly Tensor[];
  /**
   * Splits a batch's rows into batches that run through the layers separately, in order; by default, they run together.
   * Only the layers' inputs differ.
   */
  parts?(batch: Batch): readonly Batch[];
  /** The graphs' inputs other than weights, by name. */
  inputs(batch: Batch): Readonly<Record<string, BatchInput>>;
}

export const partsOf = (stack: Stack, batch: Batch): readonly Batch[] => stack.parts?.(batch) ?? [batch];
