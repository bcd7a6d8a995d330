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

  /** Runs once on a worker thread. Outputs are written into the bound views; nothing is copied. */
  async run(binding: Binding): Promise<void> {
    const call = this.#arguments(binding);
    await ortAsync("Run", ...call);
  }

  /** As `run`, holding up the event loop: for programs of microseconds, where a change of thread would cost more. */
  runSync(binding: Binding): void {
    ort("Run", ...this.#arguments(binding));
  }

  #arguments(binding: Binding) {
    if (this.#session === NULL) throw new Error("a program was run after it was disposed");
    const inputs = this.#values(this.inputs, binding);
    const outputs = this.#values(this.outputs, binding);
    const { address: ins } = this.#inputNames;
    const { address: outs } = this.#outputNames;
    return [this.#session, NULL, ins, inputs, inputs.length, outs, outputs.length, outputs] as const;
  }

  #values(names: readonly string[], binding: Binding): BigUint64Array {
    const values = new BigUint64Array(names.length);
    for (const [i, name] of names.entries()) {
      const view = binding[name];
      if (view === undefined) throw new Error(`nothing is bound to "${name}"`);
      values[i] = view.value;
    }
    return values;
  }

  [Symbol.dispose](): void {
    if (this.#session === NULL) return;
    release("ReleaseSession", this.#session);
    this.#session = NULL;
    this.#inputNames[Symbol.dispose]();
    this.#outputNames[Symbol.dispose]();
  }
}

function sessionOptions(graph: Graph): Pointer {
  const options = ortCreate("CreateSessionOptions");
  ort("SetSessionGraphOptimizationLevel", options, ALL_OPTIMIZATIONS);
  ort("DisablePerSessionThreads", options);
  const folder = weightsFolder(graph);
  if (folder !== undefined) ort("AddSessionConfigEntry", options, "session.model_external_initializers_file_folder_path", folder);
  return options;
}

/** External data is named relative to one folder, so all of a graph's mapped constants must lie in one. */
function weightsFolder(graph: Graph): string | undefined {
  const folders = new Set(graph.constants.flatMap(({ data }) => (data.kind === "file" ? [path.dirname(data.path)] : [])));
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
