import path from "node:path";
import koffi from "koffi";
import { graphCost } from "../graph/cost.ts";
import type { Graph } from "../graph/graph.ts";
import type { Cost } from "../graph/op.ts";
import type { View } from "./buffer.ts";
import { encodeOnnx } from "./onnx/encode.ts";
import type { Pointer } from "./ort/api.ts";
import { NULL, ort, ortAsync, ortCreate, release } from "./ort/api.ts";
import { environment } from "./ort/environment.ts";

/** Views to bind, by the graph's names of its inputs and outputs. */
export type Binding = Readonly<Record<string, View>>;

const ALL_OPTIMIZATIONS = 99;

/** A graph compiled by ONNX Runtime, ready to run on bound buffers. */
export class Program implements Disposable {
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly cost: Cost;
  #session: Pointer;
  readonly #inputNames: NativeNames;
  readonly #outputNames: NativeNames;

  private constructor(graph: Graph, session: Pointer) {
    this.inputs = graph.inputs.map((p) => p.name);
    this.outputs = graph.outputs.map((p) => p.name);
    this.cost = graphCost(graph);
    this.#session = session;
    this.#inputNames = new NativeNames(this.inputs);
    this.#outputNames = new NativeNames(this.outputs);
  }

  /** Compiles on a worker thread; several may compile at once. */
  static async compile(graph: Graph): Promise<Program> {
    const model = encodeOnnx(graph);
    const options = sessionOptions(graph);
    const out = new BigUint64Array(1);
    try {
      await ortAsync("CreateSessionFromArray", environment().env, model, model.byteLength, options, out);
    } finally {
      release("ReleaseSessionOptions", options);
    }
    return new Program(graph, out[0]!);
  }

  /** Binds views once, for as many runs as they serve. Throws when one is missing. */
  bind(binding: Binding): BoundProgram {
    if (this.#session === NULL) throw new Error("a program was bound after it was disposed");
    const inputs = values(this.inputs, binding);
    const outputs = values(this.outputs, binding);
    const names = [this.#inputNames.address, this.#outputNames.address] as const;
    return new BoundProgram([this.#session, NULL, names[0], inputs, inputs.length, names[1], outputs.length, outputs]);
  }

  [Symbol.dispose](): void {
    if (this.#session === NULL) return;
    release("ReleaseSession", this.#session);
    this.#session = NULL;
    this.#inputNames[Symbol.dispose]();
    this.#outputNames[Symbol.dispose]();
  }
}

type Call = readonly [Pointer, Pointer, Pointer, BigUint64Array, number, Pointer, number, BigUint64Array];

/** A program with its buffers: nothing is looked up or copied when it runs. */
export class BoundProgram {
  readonly #call: Call;

  constructor(call: Call) {
    this.#call = call;
  }

  /** Runs once on a worker thread; outputs are written into the bound views. */
  run(): Promise<void> {
    return ortAsync("Run", ...this.#call);
  }

  /** As `run`, holding up the event loop: for programs of microseconds, where a change of thread would cost more. */
  runSync(): void {
    ort("Run", ...this.#call);
  }
}

function values(names: readonly string[], binding: Binding): BigUint64Array {
  return BigUint64Array.from(names, (name) => {
    const view = binding[name];
    if (view === undefined) throw new Error(`nothing is bound to "${name}"`);
    return view.value;
  });
}

function sessionOptions(graph: Graph): Pointer {
  const options = ortCreate("CreateSessionOptions");
  ort("SetSessionGraphOptimizationLevel", options, ALL_OPTIMIZATIONS);
  ort("DisablePerSessionThreads", options);
  // One arena for all programs: a scratch buffer that one has freed serves the next.
  ort("AddSessionConfigEntry", options, "session.use_env_allocators", "1");
  // Threads spin inside a run, where the next operator is microseconds away, and sleep between runs.
  ort("AddSessionConfigEntry", options, "session.force_spinning_stop", "1");
  const folder = weightsFolder(graph);
  if (folder !== undefined)
    ort("AddSessionConfigEntry", options, "session.model_external_initializers_file_folder_path", folder);
  return options;
}

/** External data is named relative to one folder, so all of a graph's mapped constants must lie in one. */
function weightsFolder(graph: Graph): string | undefined {
  const folders = new Set(
    graph.constants.flatMap(({ data }) => (data.kind === "file" ? [path.dirname(data.path)] : [])),
  );
  if (folders.size > 1) throw new Error(`the constants of one graph lie in ${folders.size} folders`);
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
