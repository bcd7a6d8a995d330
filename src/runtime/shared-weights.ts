import type { ConstantData, Graph } from "../graph/graph.ts";
import type { Bindable } from "./buffer.ts";
import { trimHeap } from "./libc.ts";
import { MappedTensors } from "./mapped-tensors.ts";
import { ort, ortCreate, type Pointer, release } from "./ort/api.ts";
import { giveBack } from "./pages.ts";

type FileData = Extract<ConstantData, { kind: "file" }>;

/**
 * Constants shared by several programs: their files are mapped once, and the kernels' packed weights are stored once.
 * They live until this object is disposed of and its last program is freed.
 */
export class SharedWeights implements Disposable {
  readonly #containers = new Map<string, Pointer>();
  readonly #mapped = new MappedTensors();
  /** Table sizes in bytes, by address. */
  readonly #tables = new Map<Pointer, number>();
  #users = 0;
  #disposed = false;
  /** The number of current runs of programs that use these weights. */
  #runs = 0;
  /** The number of programs that compile or wait for runs to end. */
  #compiling = 0;
  readonly #gates: { forRuns: (() => void)[]; forCompiling: (() => void)[] } = { forRuns: [], forCompiling: [] };

  /** `inputs`: weights that may change between runs, by the names of the graphs' inputs; their owner outlives the programs. */
  constructor(readonly inputs: Readonly<Record<string, Bindable>> = {}) {}

  /** Provides the graph's mapped constants to the session that will be created from it. */
  offer(graph: Graph, options: Pointer): void {
    for (const { name, tensor, data } of graph.constants)
      if (data.kind === "file") ort("AddInitializer", options, name, this.#mapped.of(tensor, data).value);
    for (const table of tablesOf(graph)) this.#tables.set(this.#mapped.address(table), table.bytes);
  }

  /**
   * The block's container of weights in the kernels' own layout. Programs with the same constants name the same block;
   * other programs name a different block, because only one program at a time can pack into a container.
   */
  container(block: string): Pointer {
    const container = this.#containers.get(block) ?? ortCreate("CreatePrepackedWeightsContainer");
    this.#containers.set(block, container);
    return container;
  }

  /** Compiles while nothing runs, because kernels repack weights. Several programs may compile at once. */
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

  /** Resolves when a run may start; undefined if it may start at once. */
  get busy(): Promise<void> | undefined {
    if (!this.compilesNow) return undefined;
    return new Promise((resolve) => this.#gates.forRuns.push(resolve));
  }

  /** Tracks a run that started while the weights were not `busy`. */
  async running(run: () => Promise<void>): Promise<void> {
    this.#runs++;
    try {
      await run();
    } finally {
      this.#runs--;
      if (this.#runs === 0) for (const open of this.#gates.forCompiling.splice(0)) open();
    }
  }

  /** Called after compiling: drops file pages of packed weights, and copies that were not used. */
  settle(): void {
    this.#mapped.drop();
    trimHeap();
  }

  /** Drops the table pages read so far: with each row, the system also reads many bytes around it. */
  dropTables(): void {
    for (const [address, bytes] of this.#tables) giveBack(address, bytes);
  }

  /** Counts a program as a user until the program is freed. */
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
    this.#mapped[Symbol.dispose]();
    this.#tables.clear();
    for (const container of this.#containers.values()) release("ReleasePrepackedWeightsContainer", container);
    this.#containers.clear();
  }
}

/** The file data of constants whose rows are read one at a time, such as token embeddings. */
function tablesOf({ nodes, constants }: Graph): FileData[] {
  const tables = nodes.flatMap(({ op, inputs }) => (op.table === undefined ? [] : inputs[op.table]!));
  return constants.flatMap(({ tensor, data }) => (data.kind === "file" && tables.includes(tensor) ? data : []));
}
