import path from "node:path";
import type { ConstantData, Graph, QuantizedMatrix, Tensor } from "../../graph/index.ts";
import type { Checkpoint } from "../checkpoint.ts";
import { stack } from "./layout.ts";
import { identity, type Names } from "./names.ts";
import { Part } from "./part.ts";
import { PreparedStore, type Span, type StoredFloats, type StoredMatrix } from "./store.ts";

/** A projection's weight in a graph: 8-bit blocks, or float32 [inputs, outputs]. */
export type Matrix =
  | { readonly kind: "blocks"; readonly matrix: QuantizedMatrix }
  | { readonly kind: "float32"; readonly weight: Tensor };

/** How weights are held: `auto` in the fastest form that is exact; `f32` dequantised, for comparison with a reference. */
export const quants = ["auto", "f32"] as const;
export type Quant = (typeof quants)[number];

/** Tensors by canonical name with the size of their outermost dimension, in the order in which they are joined. */
export type Sizes = Readonly<Record<string, number>>;

/**
 * A checkpoint's tensors as constants of graphs, in the layout that the kernels want. Models call them by their canonical names, GGUF's
 * (`blk.0.attn_q.weight`, `token_embd.weight`, `output_norm.weight`); `names` says what the checkpoint calls them.
 */
export class Weights {
  readonly #store: PreparedStore;

  constructor(
    readonly checkpoint: Checkpoint,
    folder: string,
    readonly quant: Quant = "auto",
    private readonly names: Names = identity,
  ) {
    this.#store = new PreparedStore(path.join(folder, quant));
  }

  has(name: string): boolean {
    return Part.exists(this.checkpoint, this.names, name);
  }

  /**
   * Matrices [outputs, inputs] by name with their outputs, one under the other, so that one product serves them all.
   * @throws UserError when one is missing or of another shape, as all of these methods do
   */
  matrix(graph: Graph, inputs: number, outputs: Sizes): Matrix {
    const parts = this.#parts(outputs, [inputs]);
    if (parts.every((p) => this.#inBlocks(p))) return { kind: "blocks", matrix: this.#blocks(graph, parts) };
    return { kind: "float32", weight: this.#transposed(graph, parts) };
  }

  /** Vectors by name with their sizes, such as a norm's gain or the biases of stacked matrices, end to end in float32. */
  vector(graph: Graph, sizes: Sizes): Tensor {
    return this.#joined(graph, this.#parts(sizes, []));
  }

  /** A table [rows, width] in float32, as it is in the file. */
  table(graph: Graph, name: string, [rows, width]: readonly [rows: number, width: number]): Tensor {
    return this.#joined(graph, this.#parts({ [name]: rows }, [width]));
  }

  /** A table that the model computes from its configuration, such as rotary cosines; `name` must tell its contents. */
  computed(graph: Graph, name: string, shape: number[], make: () => Float32Array<ArrayBuffer>): Tensor {
    return this.#floats(graph, name, () => ({ shape, values: make() }));
  }

  /** Makes prepared weights permanent; call when every graph has been traced. */
  commit(): void {
    this.#store.commit();
  }

  abandon(): void {
    this.#store.abandon();
  }

  /** Whether a matrix is held in blocks. */
  inBlocks(name: string): boolean {
    return this.#inBlocks(Part.find(this.checkpoint, this.names, name));
  }

  #inBlocks(part: Part): boolean {
    return this.quant === "auto" && part.inBlocks;
  }

  #parts(sizes: Sizes, inner: readonly number[]): Part[] {
    return Object.entries(sizes).map(([name, size]) => Part.find(this.checkpoint, this.names, name, [size, ...inner]));
  }

  #data(span: Span): ConstantData {
    return { kind: "file", path: this.#store.file, offset: span.offset, bytes: span.bytes };
  }

  #blocks(graph: Graph, parts: readonly Part[]): QuantizedMatrix {
    const name = keyOf(parts);
    const stored = this.#store.matrix(name) ?? this.#prepare(name, parts);
    const blocks = stored.zero.bytes / stored.rows;
    const constant = (part: string, dtype: "u8" | "f32", shape: number[], span: Span) =>
      graph.constant(`${name}.${part}`, { dtype, shape }, this.#data(span));
    return {
      codes: constant("codes", "u8", [stored.rows, blocks, stored.cols / blocks], stored.codes),
      scale: constant("scale", "f32", [stored.rows, blocks], stored.scale),
      zero: constant("zero", "u8", [stored.rows, blocks], stored.zero),
      residual: stored.residual && constant("residual", "f32", [blocks, stored.rows], stored.residual),
    };
  }

  #prepare(name: string, parts: readonly Part[]): StoredMatrix {
    const { rows, codes, scale, zero, residual } = stack(parts.map((p) => p.blocks()));
    return this.#store.addMatrix(name, {
      rows,
      cols: parts[0]!.shape[1]!,
      codes: this.#store.append(codes),
      scale: this.#store.append(scale),
      zero: this.#store.append(zero),
      residual: residual && this.#store.append(residual),
    });
  }

  #transposed(graph: Graph, parts: readonly Part[]): Tensor {
    return this.#floats(graph, `${keyOf(parts)}.transposed`, () => {
      const cols = parts[0]!.shape[1]!;
      const rows = sum(parts.map((p) => p.shape[0]!));
      const values = new Float32Array(rows * cols);
      let at = 0;
      for (const part of parts) {
        const source = part.floats();
        for (let r = 0; r < part.shape[0]!; r++, at++)
          for (let c = 0; c < cols; c++) values[c * rows + at] = source[r * cols + c]!;
      }
      return { shape: [cols, rows], values };
    });
  }

  #joined(graph: Graph, parts: readonly Part[]): Tensor {
    return this.#floats(graph, keyOf(parts), () => {
      const [, ...inner] = parts[0]!.shape;
      const pieces = parts.map((p) => p.floats());
      const values = new Float32Array(sum(pieces.map((p) => p.length)));
      let at = 0;
      for (const piece of pieces) {
        values.set(piece, at);
        at += piece.length;
      }
      return { shape: [sum(parts.map((p) => p.shape[0]!)), ...inner], values };
    });
  }

  #floats(graph: Graph, name: string, make: () => { shape: number[]; values: Float32Array }): Tensor {
    const stored = this.#store.floats(name) ?? this.#keep(name, make());
    return graph.constant(name, { dtype: "f32", shape: stored.shape }, this.#data(stored.data));
  }

  #keep(name: string, { shape, values }: { shape: number[]; values: Float32Array }): StoredFloats {
    return this.#store.addFloats(name, { shape, data: this.#store.append(values) });
  }
}

const keyOf = (parts: readonly Part[]): string => parts.map((p) => p.key).join("+");

const sum = (numbers: readonly number[]): number => numbers.reduce((a, b) => a + b, 0);
