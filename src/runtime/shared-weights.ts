import type { Constant, Graph } from "../graph/graph.ts";
import { trimHeap } from "./libc.ts";
import { MappedFile } from "./mapped-file.ts";
import { onnxType } from "./onnx/encode.ts";
import { ort, ortCreate, type Pointer, release } from "./ort/api.ts";
import { environment } from "./ort/environment.ts";

/**
 * Constants that several programs have in common, held once: their files are mapped once, and what the kernels make of a weight for their own
 * use is one copy for all that use it. Lives until it is disposed of and the last of its programs is freed.
 */
export class SharedWeights implements Disposable {
  /** Of ONNX Runtime: weights in the kernels' own layout, by what is in them. */
  readonly container = ortCreate("CreatePrepackedWeightsContainer");
  readonly #files = new Map<string, MappedFile>();
  readonly #values = new Map<string, Pointer>();
  #users = 0;
  #disposed = false;

  /** Has a session to be made of the graph take its mapped constants from here. */
  offer(graph: Graph, options: Pointer): void {
    for (const constant of graph.constants)
      if (constant.data.kind === "file") ort("AddInitializer", options, constant.name, this.#value(constant));
  }

  #value({ name, tensor, data }: Constant): Pointer {
    if (data.kind !== "file") throw new Error(`"${name}" lies in no file`);
    const key = `${data.path}:${data.offset}:${name}`;
    const known = this.#values.get(key);
    if (known) return known;
    const shape = BigInt64Array.from(tensor.shape, (d) => BigInt(Number(d)));
    const address = this.#file(data.path).at(data.offset, data.bytes);
    const span = [environment().cpu, address, data.bytes, shape, shape.length, onnxType[tensor.dtype]] as const;
    const value = ortCreate("CreateTensorWithDataAsOrtValue", ...span);
    this.#values.set(key, value);
    return value;
  }

  #file(path: string): MappedFile {
    const file = this.#files.get(path) ?? new MappedFile(path);
    this.#files.set(path, file);
    return file;
  }

  /** After programs were compiled: what they have packed need not stay in memory as the file has it, nor what they packed in vain. */
  settle(): void {
    this.drop();
    trimHeap();
  }

  /** Frees what is in memory as the file has it; what programs want of it again is read again. */
  drop(): void {
    for (const file of this.#files.values()) file.drop();
  }

  /** A program uses what is here, until it is freed and says so. */
  use(): void {
    this.#users++;
  }

  leave(): void {
    this.#users--;
    this.#free();
  }

  [Symbol.dispose](): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#free();
  }

  #free(): void {
    if (!this.#disposed || this.#users > 0) return;
    for (const value of this.#values.values()) release("ReleaseValue", value);
    for (const file of this.#files.values()) file[Symbol.dispose]();
    this.#values.clear();
    this.#files.clear();
    release("ReleasePrepackedWeightsContainer", this.container);
  }
}
