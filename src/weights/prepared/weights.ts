import { createHash } from "node:crypto";
import { realpathSync } from "node:fs";
import path from "node:path";
import type { ByteMatrix, CodeBits, ConstantData, Graph, QuantizedMatrix, Tensor } from "../../graph/index.ts";
import { UserError } from "../../util/errors.ts";
import { sha256Of } from "../../util/hash.ts";
import { doraGains } from "../adapter/dora.ts";
import type { LoraLayer, LoraLayers } from "../adapter/lora-layers.ts";
import type { Checkpoint, ConfigSource } from "../checkpoint.ts";
import { fileState } from "../file-state.ts";
import type { LowRank, LowRankUpdate, Matrix, Sizes, TableShape, TokenRows, WeightSource } from "../weight-source.ts";
import { byteMatrix, keepBytes, storedBytes } from "./byte-matrix.ts";
import { type KernelMatrix, stack } from "./layout.ts";
import { checkMemory, memoryLimit } from "./memory.ts";
import { identity, type Names } from "./names.ts";
import { Part } from "./part.ts";
import { type BlockForm, type BytesForm, type Form, formOf, type Quant, quants, stackedForm } from "./quant.ts";
import { type Holding, Review } from "./review.ts";
import { type AddConstant, someFloats, someRowsOf } from "./some-rows.ts";
import { PreparedStore, type Span, type StoredFloats, type StoredMatrix } from "./store.ts";
import { VERSION } from "./store-index.ts";
import { chosenBits } from "./tuning.ts";

export { type Quant, quantOptions } from "./quant.ts";
export type { Holding } from "./review.ts";

/** A checkpoint's tensors as graph constants, in the kernels' layout. `names` maps their names to the checkpoint's. */
export class Weights implements WeightSource {
  private readonly store: PreparedStore;
  #review: Review | undefined;
  readonly #gainsByName = new Map<string, Float32Array<ArrayBuffer>>();

  constructor(
    readonly checkpoint: Checkpoint,
    folder: string,
    readonly quant: Quant = "auto",
    private readonly names: Names = identity,
    /** The minimum code width: the fastest on this machine. */
    private readonly fewestBits: CodeBits = quant === "q8r" ? 8 : chosenBits(folder),
    /** An adapter kept separate from the weights. */
    readonly loraLayers?: LoraLayers,
  ) {
    if (!quants.includes(quant)) throw new UserError(`quant is "${quant}", expected one of ${quants.join(", ")}`, 2);
    const own = path.join(folder, checkpoint.variant ?? "", folderName(quant, fewestBits));
    this.store = new PreparedStore(own, stateOf(checkpoint.files));
  }

  get config(): ConfigSource {
    return this.checkpoint.config;
  }

  has(name: string): boolean {
    return new Part(this.checkpoint, this.names, name).exists;
  }

  values(name: string): Float32Array | undefined {
    const part = new Part(this.checkpoint, this.names, name);
    return part.exists ? part.floats() : undefined;
  }

  matrix(graph: Graph, inputs: number, outputs: Sizes): Matrix {
    const parts = this.#parts(outputs, [inputs]);
    const form = stackedForm(parts.map((p) => this.form(p)));
    for (const part of parts) this.#review?.hold(part, "product", this.form(part), form);
    switch (form.kind) {
      case "blocks":
        return { kind: "blocks", matrix: this.#blocks(graph, parts, form) };
      case "bytes":
        return { kind: "bytes", matrix: this.#bytes(graph, parts, form) };
      case "float32":
        return { kind: "float32", weight: this.#transposed(graph, parts, inputs) };
    }
  }

  someRows(graph: Graph, name: string, [rows, width]: TableShape, wanted: readonly number[]): Matrix {
    const part = this.#part(name, [rows, width]);
    const key = `${keyOf([part])}.rows.${sha256Of(wanted.join()).slice(0, 16)}`;
    const constant: AddConstant = (of, dtype, shape, bytes) =>
      graph.constant(`${key}.${of}`, { dtype, shape }, { kind: "memory", bytes });
    const stored = this.store.matrix(keyOf([part]));
    if (stored) return { kind: "blocks", matrix: someRowsOf(this.store.file, stored, wanted, constant) };
    const values = new Uint8Array(someFloats(part.floats(), width, wanted).buffer);
    return { kind: "float32 rows", weight: constant("values", "f32", [wanted.length, width], values) };
  }

  vector(graph: Graph, sizes: Sizes): Tensor {
    return this.#joined(graph, this.#parts(sizes, []), []);
  }

  table(graph: Graph, name: string, [rows, width]: TableShape): Tensor {
    return this.#joined(graph, this.#parts({ [name]: rows }, [width]), [width]);
  }

  /** Shares codes with `matrix`, so that they are stored only once if both are used. */
  rowsInBlocks(graph: Graph, name: string, [rows, width]: TableShape): QuantizedMatrix {
    const part = this.#part(name, [rows, width]);
    const form = this.form(part);
    if (form.kind !== "blocks") throw new Error(`${name} is not stored in blocks`);
    this.#review?.hold(part, "product", form, form);
    return this.#blocks(graph, [part], form, "rows");
  }

  computed(graph: Graph, name: string, shape: number[], make: () => Float32Array<ArrayBuffer>): Tensor {
    return this.#floats(graph, name, shape, make);
  }

  inBlocks(name: string, shape?: readonly number[]): boolean {
    return this.form(new Part(this.checkpoint, this.names, name, shape)).kind === "blocks";
  }

  update(graph: Graph, inputs: number, outputs: Sizes): LowRankUpdate | undefined {
    const loraLayer = this.loraLayers?.matrix(inputs, outputs);
    const size = Object.values(outputs).reduce((sum, n) => sum + n, 0);
    const name = Object.keys(outputs).join("+");
    if (!loraLayer) return undefined;
    const gain = loraLayer.magnitude && this.#gains(name, loraLayer, inputs, outputs);
    return { kind: "stacked", factors: lowRank(graph, name, loraLayer, size, gain) };
  }

  /** DoRA's factors for stacked outputs, computed once from the checkpoint's weights. */
  #gains(name: string, layer: LoraLayer, inputs: number, outputs: Sizes): Float32Array<ArrayBuffer> {
    const known = this.#gainsByName.get(name);
    if (known) return known;
    const parts = Object.entries(outputs).map(([each, size]) => {
      const stored = this.has(`${each}.weight`) ? each : "token_embd";
      return this.#part(`${stored}.weight`, [size, inputs]);
    });
    if (this.#review) return new Float32Array(rowsOf(parts));
    const gains = doraGains(layer, inputs, parts);
    this.#gainsByName.set(name, gains);
    return gains;
  }

  tableUpdate(graph: Graph, name: string, shape: TableShape): LowRank | undefined {
    const loraLayer = this.loraLayers?.table(name, shape);
    return loraLayer && lowRank(graph, `${name}.table`, loraLayer, shape[1]);
  }

  get tokens(): readonly number[] | undefined {
    return this.loraLayers?.tokens;
  }

  tokenRows(graph: Graph, name: string, width: number): TokenRows | undefined {
    const found = this.loraLayers?.rows(name, width);
    if (!found) return undefined;
    const { ids } = found;
    const bytes = new Uint8Array(found.values().buffer);
    const type = { dtype: "f32", shape: [ids.length, width] } as const;
    return { ids, rows: graph.constant(`${name}.token_rows`, type, { kind: "memory", bytes }) };
  }

  /**
   * Before any read, checks that the tensors that `trace` requests exist with the right shapes, unless they are
   * prepared, and that all of them fit in memory.
   * @throws UserError that lists missing, misshapen or unexpected tensors, or states the memory needed
   */
  review(trace: () => unknown): void {
    const fresh = this.store.bytes === 0 ? this.#reviewed(trace).review : undefined;
    fresh?.check();
    checkMemory(this.checkpoint.path, fresh?.bytes ?? this.store.bytes, memoryLimit());
  }

  /**
   * Returns the result of `trace`, and the forms and bytes of its tensors, the largest share first. Reads only a sample
   * of rounded tensors, and allocates nothing.
   * @throws UserError like `review`, except for memory
   */
  survey<T>(trace: () => T): { readonly traced: T; readonly holdings: Holding[]; readonly bytes: number } {
    const { review, traced } = this.#reviewed(trace);
    review.check();
    return { traced, holdings: review.holdings, bytes: review.bytes };
  }

  /** Traces a model with a configuration but no weights, as if every tensor had the expected shape. */
  imagined<T>(trace: () => T): T {
    return this.#reviewed(trace).traced;
  }

  #reviewed<T>(trace: () => T): { readonly review: Review; readonly traced: T } {
    const review = new Review(this.checkpoint);
    this.#review = review;
    try {
      return { review, traced: trace() };
    } finally {
      this.#review = undefined;
    }
  }

  /** Call after all graphs are traced. @throws UserError if the adapter does not fit */
  checkAdapter(): void {
    this.loraLayers?.check(this.checkpoint.path);
  }

  /** Makes prepared weights permanent; call after all graphs are traced. */
  commit(): void {
    this.store.commit();
  }

  abandon(): void {
    this.store.abandon();
  }

  protected form(part: Part): Form {
    return formOf(part, this.quant, this.checkpoint, this.fewestBits);
  }

  #parts(sizes: Sizes, inner: readonly number[]): Part[] {
    return Object.entries(sizes).map(([name, size]) => this.#part(name, [size, ...inner]));
  }

  #part(name: string, shape: readonly number[]): Part {
    const part = new Part(this.checkpoint, this.names, name, shape);
    if (this.#review) this.#review.part(part);
    else if (part.problem !== undefined)
      throw new UserError(`${this.checkpoint.path}: tensor "${part.name}" ${part.problem}`);
    return part;
  }

  #data({ offset, bytes }: Span): ConstantData {
    return { kind: "file", path: this.store.file, offset, bytes };
  }

  #blocks(graph: Graph, parts: readonly Part[], form: BlockForm, lie: "blocks" | "rows" = "blocks"): QuantizedMatrix {
    const name = keyOf(parts);
    const shape = [rowsOf(parts), parts[0]!.shape[1]!] as const;
    const stored =
      this.#review?.matrix(name, shape, form) ??
      this.store.matrix(name) ??
      this.#prepare(name, shape, () => stack(parts.map((p) => inForm(p, this.form(p), form))));
    const blocks = stored.scale.bytes / Float32Array.BYTES_PER_ELEMENT / stored.rows;
    const width = stored.codes.bytes / stored.rows;
    const byRow = lie === "rows";
    const constant = (part: string, dtype: "u8" | "f32", shape: number[], span: Span) =>
      graph.constant(`${name}.${part}`, { dtype, shape }, this.#data(span));
    return {
      ...{ bits: stored.bits, corrected: stored.corrected },
      codes: byRow
        ? constant("rows", "u8", [stored.rows, width], stored.codes)
        : constant("codes", "u8", [stored.rows, blocks, width / blocks], stored.codes),
      scale: constant("scale", "f32", [stored.rows, blocks], stored.scale),
      zero: constant("zero", "u8", [stored.rows, stored.zero.bytes / stored.rows], stored.zero),
    };
  }

  #bytes(graph: Graph, parts: readonly Part[], form: BytesForm): ByteMatrix {
    const name = keyOf(parts);
    const stored =
      this.#review?.bytesMatrix(name, [rowsOf(parts), parts[0]!.shape[1]!], form) ??
      storedBytes(this.store, name, form) ??
      keepBytes(this.store, name, parts, form);
    return byteMatrix(graph, name, stored, form, (span) => this.#data(span));
  }

  #prepare(name: string, [rows, cols]: readonly [number, number], make: () => KernelMatrix): StoredMatrix {
    const { bits, corrected, codes, scale, zero } = make();
    return this.store.addMatrix(name, {
      ...{ rows, cols, bits, corrected },
      codes: this.store.append(codes),
      scale: this.store.append(scale),
      zero: this.store.append(zero),
    });
  }

  #transposed(graph: Graph, parts: readonly Part[], cols: number): Tensor {
    const rows = rowsOf(parts);
    return this.#floats(graph, `${keyOf(parts)}.transposed`, [cols, rows], () => {
      const values = new Float32Array(rows * cols);
      let at = 0;
      for (const part of parts) {
        const source = part.floats();
        for (let r = 0; r < part.shape[0]!; r++, at++)
          for (let c = 0; c < cols; c++) values[c * rows + at] = source[r * cols + c]!;
      }
      return values;
    });
  }

  #joined(graph: Graph, parts: readonly Part[], inner: readonly number[]): Tensor {
    for (const part of parts) this.#review?.hold(part, "values");
    return this.#floats(graph, keyOf(parts), [rowsOf(parts), ...inner], () => {
      const pieces = parts.map((p) => p.floats());
      if (pieces.length === 1) return pieces[0]!;
      const values = new Float32Array(pieces.reduce((total, piece) => total + piece.length, 0));
      let at = 0;
      for (const piece of pieces) {
        values.set(piece, at);
        at += piece.length;
      }
      return values;
    });
  }

  #floats(graph: Graph, name: string, shape: number[], make: () => Float32Array): Tensor {
    const stored = this.#review?.floats(name, shape) ?? this.store.floats(name) ?? this.#keep(name, shape, make());
    return graph.constant(name, { dtype: "f32", shape: stored.shape }, this.#data(stored.data));
  }

  #keep(name: string, shape: number[], values: Float32Array): StoredFloats {
    return this.store.addFloats(name, { shape, data: this.store.append(values) });
  }
}

/** A key for the state and location of files. */
function stateOf(files: readonly string[]): string {
  const state = createHash("sha256");
  for (const file of files.map((f) => realpathSync(f))) {
    state.update(`${file}\0${fileState(file)}\0`);
  }
  return state.digest("hex");
}

/**
 * Each code width has a separate folder if the form depends on it, and so does each version, because two versions in
 * use must not keep replacing each other's files.
 */
const folderName = (quant: Quant, fewest: CodeBits): string =>
  `${quant === "f32" || fewest === 8 ? quant : `${quant}-${fewest}bit`}.v${VERSION}`;

/** Converts a stack's part, which has its own rounding, to the stack's codes and blocks. */
const inForm = (part: Part, own: Form, { bits, block }: BlockForm): KernelMatrix =>
  own.kind === "blocks" && own.rounded ? part.rounded(own.rounded, bits, block) : part.blocks(bits);

const keyOf = (parts: readonly Part[]): string => parts.map((p) => p.key).join("+");

const rowsOf = (parts: readonly Part[]): number => parts.reduce((total, part) => total + part.shape[0]!, 0);

function lowRank(
  graph: Graph,
  name: string,
  { rank, down, up }: LoraLayer,
  outputs: number,
  gains?: Float32Array<ArrayBuffer>,
): LowRank {
  const factor = (part: string, shape: number[], { buffer }: Float32Array<ArrayBuffer>) =>
    graph.constant(
      `${name}.adapter.${part}`,
      { dtype: "f32", shape },
      { kind: "memory", bytes: new Uint8Array(buffer) },
    );
  const gain = gains && factor("gain", [outputs], gains);
  return { down: factor("down", [down.length / rank, rank], down), up: factor("up", [rank, outputs], up), gain };
}
