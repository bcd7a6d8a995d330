import type { Dim, Graph, Tensor } from "../../graph/index.ts";
import type { DType } from "../../graph/tensor.ts";
import type { Batch } from "../data/batch.ts";

/** The largest batch, as numbers. */
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
  /** Positions that a row may have. */
  readonly context: number;
  /** The stream's shape: [rows, tokens, hidden] in numbers, or [kept, hidden], for batches of any size, if it has no padding. */
  stream(shape: Shape): readonly Dim[];
  /** The stream before the first layer. */
  embed(g: Graph, shape: Shape): Tensor;
  layer(g: Graph, layer: number, x: Tensor, shape: Shape): Tensor;
  /** Width of what goes along with the stream before a layer, [rows, tokens, width]; absent or 0: nothing does. */
  carriedWidth?(layer: number): number;
  /** What goes along behind the embedding or the layer that a graph traces; the layer reads it as its input `carried`. */
  carried?(g: Graph): Tensor | undefined;
  /** Experts of each mixture, and those that a token runs; absent if there are none. */
  readonly experts?: { readonly count: number; readonly active: number } | undefined;
  /** Logits of the routers of the layer that a graph traces. */
  routers?(g: Graph): readonly Tensor[];
  /**
   * Batches of a batch's rows, in order, which run through the layers apart; absent: the batch itself. Only what layers
   * read of them is theirs.
   */
  parts?(batch: Batch): readonly Batch[];
  /** The graphs' inputs that are no weights, by name. */
  inputs(batch: Batch): Readonly<Record<string, BatchInput>>;
}

/** The batches that run through the layers apart. */
export const partsOf = (stack: Stack, batch: Batch): readonly Batch[] => stack.parts?.(batch) ?? [batch];
