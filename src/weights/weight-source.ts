import type { ByteMatrix, Graph, QuantizedMatrix, Tensor } from "../graph/index.ts";
import type { ConfigSource } from "./checkpoint.ts";

/**
 * A projection's weight in a graph: blocks of codes, bytes with a scale for each output, float32 [inputs, outputs], or
 * float32 rows [outputs, inputs].
 */
export type Matrix =
  | { readonly kind: "blocks"; readonly matrix: QuantizedMatrix }
  | { readonly kind: "bytes"; readonly matrix: ByteMatrix }
  | { readonly kind: "float32"; readonly weight: Tensor }
  | { readonly kind: "float32 rows"; readonly weight: Tensor };

/** The sizes of tensors' outermost dimension, by canonical name, in the order of concatenation. */
export type Sizes = Readonly<Record<string, number>>;

/** The two factors of a low-rank matrix: [inputs, rank] and [rank, outputs]. */
export interface LowRank {
  readonly down: Tensor;
  readonly up: Tensor;
  /** DoRA's factors for the updated product, [outputs]. */
  readonly gain?: Tensor | undefined;
  /** In training, a change to the input of the first factor, such as dropout. */
  readonly dropout?: (x: Tensor) => Tensor;
}

/** An adapter's addition to one product with stacked matrices. */
export type LowRankUpdate =
  /** Two factors for all outputs. */
  | { readonly kind: "stacked"; readonly factors: LowRank }
  /** Two factors for each matrix that the adapter changes, by matrix name; other outputs do not change. */
  | { readonly kind: "apart"; readonly factors: Readonly<Record<string, LowRank>> };

/**
 * An adapter's float32 rows of individual tokens, separate from a table or a head, whose rows they replace or extend.
 */
export interface TokenRows {
  /** The tokens, ascending. */
  readonly ids: readonly number[];
  /** [ids, width] */
  readonly rows: Tensor;
}

/** [rows, width]. */
export type TableShape = readonly [rows: number, width: number];

/**
 * The weights that a model is traced with. A model requests tensors by canonical name (GGUF's: `blk.0.attn_q.weight`,
 * `token_embd.weight`, `output_norm.weight`) and puts the result into its graph, whether the weights are constants from
 * a file or trained inputs. Methods that take a graph return tensors of that graph. Each method throws a UserError that
 * names the tensor if no tensor has that name and shape.
 */
export interface WeightSource {
  /** The configuration that the model is read from. */
  readonly config: ConfigSource;

  /** True if a tensor with this name exists. */
  has(name: string): boolean;

  /** The numbers of a small tensor that affects tracing, such as LongRoPE's divisors; undefined if absent. */
  values(name: string): Float32Array | undefined;

  /** Matrices [outputs, inputs], given as names with numbers of outputs, stacked for a single product. */
  matrix(graph: Graph, inputs: number, outputs: Sizes): Matrix;

  /**
   * Vectors, given as names with sizes, such as a norm's gain or the biases of stacked matrices, concatenated: f32 [sum
   * of the sizes].
   */
  vector(graph: Graph, sizes: Sizes): Tensor;

  /** A table for looking up rows: f32 [rows, width]. */
  table(graph: Graph, name: string, shape: TableShape): Tensor;

  /** True if a matrix (with this shape, if it is given) is in quantised blocks. `rowsInBlocks` reads such a table. */
  inBlocks(name: string, shape?: readonly number[]): boolean;

  /** A table in blocks, with codes row by row. @throws Error if it is not in blocks */
  rowsInBlocks(graph: Graph, name: string, shape: TableShape): QuantizedMatrix;

  /** Rows of a matrix as a separate matrix in the same form, by row index. Absent if matrices are always used whole. */
  someRows?(graph: Graph, name: string, shape: TableShape, rows: readonly number[]): Matrix;

  /**
   * A table that the model computes from its configuration, such as rotary cosines: f32 of `shape`, never trained.
   * `name` identifies its contents.
   */
  computed(graph: Graph, name: string, shape: number[], make: () => Float32Array<ArrayBuffer>): Tensor;

  /** An adapter's addition to the product with stacked matrices, by name without `.weight`; undefined if it adds nothing. */
  update(graph: Graph, inputs: number, outputs: Sizes): LowRankUpdate | undefined;

  /** An adapter's addition to a table, by its name without `.weight`: down [rows, rank], up [rank, width]. */
  tableUpdate(graph: Graph, name: string, shape: TableShape): LowRank | undefined;

  /** The tokens that have rows outside the token table, ascending; undefined for models without such tokens. */
  readonly tokens?: readonly number[] | undefined;

  /**
   * Rows of width `width` that extend or replace rows of `token_embd` or `output`; undefined if there are no such rows.
   */
  tokenRows?(graph: Graph, name: string, width: number): TokenRows | undefined;
}
