import type { Constant, ConstantData, Graph } from "../graph/graph.ts";
import { trimHeap } from "./libc.ts";
import { MappedFile } from "./mapped-file.ts";
import { onnxType } from "./onnx/encode.ts";
import { ort, ortCreate, type Pointer, release } from "./ort/api.ts";
import { environment } from "./ort/environment.ts";
import { giveBack } from "./pages.ts";

type FileData = Extract<ConstantData, { kind: "file" }>;

/**
 * Constants that several programs share, held once: their files are mapped once, and the kernels' packed weights are
 * one copy. Lives until it is disposed of and the last of its programs is freed.
 */
export class SharedWeights implements Disposable {
  readonly #containers = new Map<string, Pointer>();
  readonly #files = new Map<string, MappedFile>();
  readonly #values = new Map<string, Pointer>();
  /** Bytes by address. */
  readonly #tables = new Map<Pointer, number>();
  #users = 0;
  #disposed = false;
  /** The number of running runs of its programs. */
  #runs = 0;
  /** Programs that are being compiled, or wait for runs to end. */
  #compiling = 0;
  readonly #gates: { forRuns: (() => void)[]; forCompiling: (() => void)[] } = { forRuns: [], forCompiling: [] };

  /** Has a session to be made of the graph take its mapped constants from here. */
  offer(graph: Graph, options: Pointer): void {
    for (const constant of graph.constants)
      if (constant.data.kind === "file") ort("AddInitializer", options, constant.name, this.#value(constant));
    for (const table of tablesOf(graph)) this.#tables.set(this.#address(table), table.bytes);
  }

  /**
   * ONNX Runtime's container of weights in the kernels' own layout. Programs over the same weights name the same block.
   * Only one program at a time can pack into a container, so programs over other weights name another.
   */
  container(block: string): Pointer {
    const container = this.#containers.get(block) ?? ortCreate("CreatePrepackedWeightsContainer");
    this.#containers.set(block, container);
    return container;
  }

  /**
   * Compiles while nothing runs: kernels pack again what they have packed. Several programs may compile at the same
   * time.
   */
  async compiling<T>(compile: () => Promise<T>): Promise<T> {
    this.#compiling++;
    try {
      if (this.#runs > 0) await new Promise<void>((resolve) => this.#gates.forCompiling.push(resolve));
      return await compile();
    } finally {
      this.#compiling--;
      if (this.#compiling === 0) for (const open of this.#gates.forRuns.splice(0)) open();
    }
  }

  get compilesNow(): boolean {
    return this.#compiling > 0;
  }

  /** Resolves when a run may begin; undefined: at once. */
  get busy(): Promise<void> | undefined {
    if (!this.compilesNow) return undefined;
    return new Promise((resolve) => this.#gates.forRuns.push(resolve));
  }

  /** A run of one of its programs, which began while it was not `busy`. */
  async running(run: () => Promise<void>): Promise<void> {
    this.#runs++;
    try {
      await run();
    } finally {
      this.#runs--;
      if (this.#runs === 0) for (const open of this.#gates.forCompiling.splice(0)) open();
    }
  }

  #value(constant: Constant): Pointer {
    const { name, tensor, data } = constant;
    if (data.kind !== "file") throw new Error(`"${name}" lies in no file`);
    const key = keyOf(constant);
    const known = this.#values.get(key);
    if (known) return known;
    const shape = BigInt64Array.from(tensor.shape, (d) => BigInt(Number(d)));
    const span = [
      environment().cpu,
      this.#address(data),
      data.bytes,
      shape,
      shape.length,
      onnxType[tensor.dtype],
    ] as const;
    const value = ortCreate("CreateTensorWithDataAsOrtValue", ...span);
    this.#values.set(key, value);
    return value;
  }

  #address({ path, offset, bytes }: FileData): Pointer {
    const file = this.#files.get(path) ?? new MappedFile(path);
    this.#files.set(path, file);
    return file.at(offset, bytes);
  }

  /** Called after compiling: drops file pages of packed weights, and copies packed in vain. */
  settle(): void {
    for (const file of this.#files.values()) file.drop();
    trimHeap();
  }

  /** Drops the table pages that runs have read; the system reads much around each row. */
  dropTables(): void {
    for (const [address, bytes] of this.#tables) giveBack(address, bytes);
  }

  /** Counts a program as a user until it is freed. */
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
    this.#tables.clear();
    this.#files.clear();
    for (const container of this.#containers.values()) release("ReleasePrepackedWeightsContainer", container);
    this.#containers.clear();
  }
}

const keyOf = ({ name, data }: Constant): string =>
  data.kind === "file" ? `${data.path}:${data.offset}:${name}` : name;

/** Addresses of constants that are read by single rows, such as token embeddings. */
function tablesOf({ nodes, constants }: Graph): FileData[] {
  const tables = nodes.flatMap(({ op, inputs }) => (op.table === undefined ? [] : inputs[op.table]!));
  return constants.flatMap(({ tensor, data }) => (data.kind === "file" && tables.includes(tensor) ? data : []));
}
