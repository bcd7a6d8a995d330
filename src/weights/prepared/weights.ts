import path from "node:path";
import type { ConstantData, Graph, QuantizedMatrix, Tensor } from "../../graph/index.ts";
import { BLOCK } from "../../graph/index.ts";
import { UserError } from "../../util/errors.ts";
import { type GgufFile, type GgufTensor, readFloats, readTensor, unpackQ4_1, unpackQ8_0 } from "../gguf/index.ts";
import { fromQ4_1, fromQ8_0, type KernelMatrix, stack } from "./layout.ts";
import { PreparedStore, type Span, type StoredFloats, type StoredMatrix } from "./store.ts";

/** A projection's weight in a graph: 8-bit blocks, or float32 [inputs, outputs]. */
export type Matrix =
  | { readonly kind: "blocks"; readonly matrix: QuantizedMatrix }
  | { readonly kind: "float32"; readonly weight: Tensor };

/** How weights are held: as the file has them, in the fastest exact form; or dequantised, for comparison with a reference. */
export const weightForms = ["file", "float32"] as const;
export type WeightForm = (typeof weightForms)[number];

/** A checkpoint's tensors as constants of graphs, in the layout that the kernels want. */
export class Weights {
  readonly #store: PreparedStore;

  constructor(
    readonly file: GgufFile,
    folder: string,
    readonly form: WeightForm = "file",
  ) {
    this.#store = new PreparedStore(path.join(folder, form));
  }

  has(name: string): boolean {
    return this.file.tensors.has(name);
  }

  /**
   * Matrices [outputs, inputs] by name with their outputs, one under the other, so that one product serves them all.
   * @throws UserError when one is missing or of another shape, as all of these methods do
   */
  matrix(graph: Graph, inputs: number, outputs: Readonly<Record<string, number>>): Matrix {
    const tensors = Object.entries(outputs).map(([name, rows]) => this.#tensor(name, [rows, inputs]));
    if (tensors.every((t) => this.#inBlocks(t))) return { kind: "blocks", matrix: this.#blocks(graph, tensors) };
    return { kind: "float32", weight: this.#transposed(graph, tensors) };
  }

  /** A vector, such as a norm's gain, in float32. */
  vector(graph: Graph, name: string, size: number): Tensor {
    const tensor = this.#tensor(name, [size]);
    return this.#floats(graph, name, () => ({ shape: [...tensor.shape], values: readFloats(this.file, tensor) }));
  }

  /** A table [rows, width] in float32, as it is in the file. */
  table(graph: Graph, name: string, shape: readonly [rows: number, width: number]): Tensor {
    const tensor = this.#tensor(name, shape);
    return this.#floats(graph, name, () => ({ shape: [...tensor.shape], values: readFloats(this.file, tensor) }));
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
    return this.#inBlocks(this.#find(name));
  }

  #inBlocks({ type }: GgufTensor): boolean {
    return this.form === "file" && (type === "Q4_1" || type === "Q8_0");
  }

  #find(name: string): GgufTensor {
    const tensor = this.file.tensors.get(name);
    if (!tensor) throw new UserError(`${this.file.path}: tensor "${name}" is missing`);
    return tensor;
  }

  #tensor(name: string, shape: readonly number[]): GgufTensor {
    const tensor = this.#find(name);
    if (tensor.shape.join() !== shape.join())
      throw new UserError(
        `${this.file.path}: tensor "${name}" has shape [${tensor.shape.join(", ")}], expected [${shape.join(", ")}]`,
      );
    return tensor;
  }

  #data(span: Span): ConstantData {
    return { kind: "file", path: this.#store.file, offset: span.offset, bytes: span.bytes };
  }

  #blocks(graph: Graph, tensors: readonly GgufTensor[]): QuantizedMatrix {
    const name = tensors.map((t) => t.name).join("+");
    const stored = this.#store.matrix(name) ?? this.#prepare(name, tensors);
    const blocks = stored.cols / BLOCK;
    const constant = (part: string, dtype: "u8" | "f32", shape: number[], span: Span) =>
      graph.constant(`${name}.${part}`, { dtype, shape }, this.#data(span));
    return {
      codes: constant("codes", "u8", [stored.rows, blocks, BLOCK], stored.codes),
      scale: constant("scale", "f32", [stored.rows, blocks], stored.scale),
      zero: constant("zero", "u8", [stored.rows, blocks], stored.zero),
      residual: stored.residual && constant("residual", "f32", [blocks, stored.rows], stored.residual),
    };
  }

  #prepare(name: string, tensors: readonly GgufTensor[]): StoredMatrix {
    const { rows, codes, scale, zero, residual } = stack(tensors.map((t) => this.#kernelMatrix(t)));
    return this.#store.addMatrix(name, {
      rows,
      cols: tensors[0]!.shape[1]!,
      codes: this.#store.append(codes),
      scale: this.#store.append(scale),
      zero: this.#store.append(zero),
      residual: residual && this.#store.append(residual),
    });
  }

  #kernelMatrix(tensor: GgufTensor): KernelMatrix {
    const [rows, cols] = tensor.shape as [number, number];
    const bytes = readTensor(this.file, tensor);
    return tensor.type === "Q4_1"
      ? fromQ4_1(unpackQ4_1(bytes, rows, cols), rows)
      : fromQ8_0(unpackQ8_0(bytes, rows, cols), rows);
  }

  #transposed(graph: Graph, tensors: readonly GgufTensor[]): Tensor {
    return this.#floats(graph, `${tensors.map((t) => t.name).join("+")}.transposed`, () => {
      const cols = tensors[0]!.shape[1]!;
      const rows = tensors.reduce((sum, t) => sum + t.shape[0]!, 0);
      const values = new Float32Array(rows * cols);
      let at = 0;
      for (const t of tensors) {
        const source = readFloats(this.file, t);
        for (let r = 0; r < t.shape[0]!; r++, at++)
          for (let c = 0; c < cols; c++) values[c * rows + at] = source[r * cols + c]!;
      }
      return { shape: [cols, rows], values };
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
