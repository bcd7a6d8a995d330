import path from "node:path";
import koffi from "koffi";
import { graphCost } from "../graph/cost.ts";
import type { Graph } from "../graph/graph.ts";
import type { Cost } from "../graph/op.ts";
import type { Bindable } from "./buffer.ts";
import { type Device, inTurn, memoryOf, providerOf } from "./device.ts";
import { encodeOnnx } from "./onnx/encode.ts";
import { NULL, ort, ortAsync, ortCreate, type Pointer, release } from "./ort/api.ts";
import { environment } from "./ort/environment.ts";
import type { SharedWeights } from "./shared-weights.ts";

/** Views to bind, by the names of the graph's inputs and outputs. */
export type Binding = Readonly<Record<string, Bindable>>;

const ALL_OPTIMIZATIONS = 99;
// OrtDeviceAllocator and OrtMemTypeDefault.
const DEVICE_MEMORY = 0;
const DEFAULT_MEMORY = 0;

/** A run's threads: the process's pool, or only the caller's, so that many runs may proceed at once without spinning. */
export type Threads = "shared" | "caller";

/** A graph compiled by ONNX Runtime, ready to run on bound buffers. */
export class Program implements Disposable {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly cost: Cost;
  #session: Pointer;
  #memory: Pointer = NULL;
  #runs = 0;
  #disposed = false;
  readonly #inputNames: NativeNames;
  readonly #outputNames: NativeNames;

  private constructor(
    graph: Graph,
    session: Pointer,
    private readonly weights: SharedWeights | undefined,
    readonly device: Device,
  ) {
    this.inputs = graph.inputs.map((p) => p.name);
    this.outputs = graph.outputs.map((p) => p.name);
    this.cost = graphCost(graph);
    this.#session = session;
    this.#inputNames = new NativeNames(this.inputs);
    this.#outputNames = new NativeNames(this.outputs);
  }

  /**
   * Compiles on a worker thread; several compilations may run at once. With `weights`, constants in files are shared
   * with other programs, whose runs wait for the compilation. Programs with the same constants pass the same `block`.
   * @throws Error if the device does not work here
   */
  static async compile(
    graph: Graph,
    threads: Threads = "shared",
    weights?: SharedWeights,
    block = "",
    device: Device = "cpu",
  ): Promise<Program> {
    weights?.use();
    const compile = () => createSession(graph, { threads, weights, block, device });
    const create = device === "cpu" ? compile : () => inTurn(compile);
    try {
      return new Program(graph, weights ? await weights.compiling(create) : await create(), weights, device);
    } catch (error) {
      weights?.leave();
      throw error;
    }
  }

  /** Binds views, beside shared inputs, once for many runs. Throws if a view is missing. */
  bind(binding: Binding): BoundProgram {
    this.#check();
    return new BoundProgram(
      this,
      views(this.inputs, { ...this.weights?.inputs, ...binding }),
      views(this.outputs, binding),
    );
  }

  /** The allocator of the device's memory; it lives as long as the program. */
  get memory(): Pointer {
    this.#check();
    if (this.device === "cpu") return environment().allocator;
    if (this.#memory === NULL) {
      const info = ortCreate("CreateMemoryInfo", memoryOf[this.device], DEVICE_MEMORY, 0, DEFAULT_MEMORY);
      this.#memory = ortCreate("CreateAllocator", this.#session, info);
      release("ReleaseMemoryInfo", info);
    }
    return this.#memory;
  }

  /** Resolves once no program that shares these weights is being compiled; undefined if this program can run now. */
  get busy(): Promise<void> | undefined {
    return this.weights?.busy;
  }

  /** Runs once on OrtValues; BoundProgram calls it. */
  async run(inputs: BigUint64Array, outputs: BigUint64Array): Promise<void> {
    for (let busy = this.busy; busy; busy = this.busy) await busy;
    const call = this.#call(inputs, outputs);
    this.#runs++;
    const start = async () => void (await ortAsync("Run", ...call));
    const run = this.device === "cpu" ? start : () => inTurn(start);
    try {
      await (this.weights ? this.weights.running(run) : run());
    } finally {
      this.#runs--;
      if (this.#disposed) this.#free();
    }
  }

  /** Runs on the calling thread; throws if the program is `busy`. */
  runSync(inputs: BigUint64Array, outputs: BigUint64Array): void {
    if (this.weights?.compilesNow) throw new Error("a program cannot run while another with its weights compiles");
    ort("Run", ...this.#call(inputs, outputs));
  }

  #call(inputs: BigUint64Array, outputs: BigUint64Array) {
    this.#check();
    const [from, to] = [this.#inputNames.address, this.#outputNames.address];
    return [this.#session, NULL, from, inputs, inputs.length, to, outputs.length, outputs] as const;
  }

  #check(): void {
    if (this.#disposed) throw new Error("a program was used after it was disposed");
  }

  /** Frees the program after any current run. */
  [Symbol.dispose](): void {
    this.#disposed = true;
    this.#free();
  }

  #free(): void {
    if (this.#runs > 0 || this.#session === NULL) return;
    if (this.#memory !== NULL) release("ReleaseAllocator", this.#memory);
    release("ReleaseSession", this.#session);
    this.weights?.leave();
    this.#session = NULL;
    this.#inputNames[Symbol.dispose]();
    this.#outputNames[Symbol.dispose]();
  }
}

/** A program with its buffers: running it needs no lookups and no copies. */
export class BoundProgram {
  readonly #inputValues: BigUint64Array;
  readonly #outputValues: BigUint64Array;

  constructor(
    readonly program: Program,
    readonly inputs: readonly Bindable[],
    readonly outputs: readonly Bindable[],
  ) {
    this.#inputValues = BigUint64Array.from(inputs, (v) => v.value);
    this.#outputValues = BigUint64Array.from(outputs, (v) => v.value);
  }

  /** Runs once on a worker thread and writes outputs into the bound views. Throws if the program or a view was disposed of. */
  async run(): Promise<void> {
    this.#check();
    await this.program.run(this.#inputValues, this.#outputValues);
  }

  /** Like `run`, but blocks the event loop: for programs so short that a thread change would cost more. */
  runSync(): void {
    this.#check();
    this.program.runSync(this.#inputValues, this.#outputValues);
  }

  #check(): void {
    for (const view of this.inputs) view.check();
    for (const view of this.outputs) view.check();
  }
}

function views(names: readonly string[], binding: Binding): Bindable[] {
  return names.map((name) => {
    const view = binding[name];
    if (view === undefined) throw new Error(`nothing is bound to "${name}"`);
    return view;
  });
}

interface SessionTerms {
  readonly threads: Threads;
  readonly weights: SharedWeights | undefined;
  readonly block: string;
  readonly device: Device;
}

async function createSession(graph: Graph, { threads, weights, block, device }: SessionTerms): Promise<Pointer> {
  const model = encodeOnnx(graph);
  const options = sessionOptions(graph, threads, device);
  const out = new BigUint64Array(1);
  const args = [environment().env, model, model.byteLength, options] as const;
  try {
    weights?.offer(graph, options);
    // Other devices store packed weights in their own memory.
    if (weights && device === "cpu")
      await ortAsync("CreateSessionFromArrayWithPrepackedWeightsContainer", ...args, weights.container(block), out);
    else await ortAsync("CreateSessionFromArray", ...args, out);
  } finally {
    release("ReleaseSessionOptions", options);
  }
  return out[0]!;
}

function sessionOptions(graph: Graph, threads: Threads, device: Device): Pointer {
  // A provider writes to the environment's log as soon as it is added.
  environment();
  const options = ortCreate("CreateSessionOptions");
  if (device !== "cpu") ort("SessionOptionsAppendExecutionProvider", options, providerOf[device], NULL, NULL, 0);
  ort("SetSessionGraphOptimizationLevel", options, ALL_OPTIMIZATIONS);
  if (threads === "shared") ort("DisablePerSessionThreads", options);
  else ort("SetIntraOpNumThreads", options, 1);
  // One arena for all programs: freed scratch memory serves the next program.
  ort("AddSessionConfigEntry", options, "session.use_env_allocators", "1");
  // Threads spin during a run, when the next operator is microseconds away, and sleep between runs.
  ort("AddSessionConfigEntry", options, "session.force_spinning_stop", "1");
  const folder = weightsFolder(graph);
  if (folder !== undefined)
    ort("AddSessionConfigEntry", options, "session.model_external_initializers_file_folder_path", folder);
  return options;
}

/** External data is named relative to one folder, so all mapped constants of a graph must lie in one. */
function weightsFolder(graph: Graph): string | undefined {
  const folders = new Set(
    graph.constants.flatMap(({ data }) => (data.kind === "file" ? [path.dirname(data.path)] : [])),
  );
  if (folders.size > 1) throw new Error(`the constants of one graph are in ${folders.size} folders; expected one`);
  return [...folders][0];
}

/** A C array of C strings. */
class NativeNames implements Disposable {
  readonly address: bigint;
  readonly #texts: bigint;

  constructor(names: readonly string[]) {
    const encoded = names.map((name) => new TextEncoder().encode(`${name}\0`));
    const size = encoded.reduce((sum, e) => sum + e.length, 0);
    this.#texts = koffi.alloc("char", Math.max(1, size));
    this.address = koffi.alloc("void *", Math.max(1, names.length));
    const texts = new Uint8Array(koffi.view(this.#texts, size));
    const pointers = new BigUint64Array(koffi.view(this.address, names.length * 8));
    let offset = 0;
    for (const [i, e] of encoded.entries()) {
      texts.set(e, offset);
      pointers[i] = this.#texts + BigInt(offset);
      offset += e.length;
    }
  }

  [Symbol.dispose](): void {
    koffi.free(this.#texts);
    koffi.free(this.address);
  }
}
