/** Weights as graph inputs instead of constants, as in training. */
import type { Graph, Tensor } from "../../graph/index.ts";
import { Buffer, type View } from "../../runtime/buffer.ts";
import type { LoraLayer, LoraLayers } from "../../weights/adapter/lora-layers.ts";
import type { Checkpoint, ConfigSource } from "../../weights/checkpoint.ts";
import { FloatRows } from "../../weights/float-rows.ts";
import type { Names } from "../../weights/prepared/names.ts";
import { Part } from "../../weights/prepared/part.ts";
import type { LowRank, LowRankUpdate, Sizes, TableShape } from "../../weights/weight-source.ts";

/** A checkpoint's tensors in float32 buffers. Matrices are rows [outputs, inputs]; adapters' factors are by module. */
export class InputWeights extends FloatRows implements Disposable {
  /** The views to bind, by input name. */
  readonly views: Record<string, View> = {};

  constructor(
    private readonly checkpoint: Checkpoint,
    private readonly names: Names,
    private readonly loraLayers?: LoraLayers,
  ) {
    super();
  }

  get config(): ConfigSource {
    return this.checkpoint.config;
  }

  has(name: string): boolean {
    return this.#part(name).exists;
  }

  override values(name: string): Float32Array | undefined {
    const part = this.#part(name);
    return part.exists ? part.floats() : undefined;
  }

  override update(graph: Graph, inputs: number, outputs: Sizes): LowRankUpdate | undefined {
    const results = Object.entries(outputs).flatMap(([name, size]) => {
      const loraLayer = this.loraLayers?.matrix(inputs, { [name]: size });
      return loraLayer ? [[name, this.#lowRank(graph, name, loraLayer)] as const] : [];
    });
    return results.length > 0 ? { kind: "apart", factors: Object.fromEntries(results) } : undefined;
  }

  override tableUpdate(graph: Graph, name: string, shape: TableShape): LowRank | undefined {
    const loraLayer = this.loraLayers?.table(name, shape);
    return loraLayer && this.#lowRank(graph, `${name}.table`, loraLayer);
  }

  #lowRank(graph: Graph, name: string, { rank, down, up }: LoraLayer): LowRank {
    return {
      down: this.#input(graph, `${name}.down`, [down.length / rank, rank], () => down),
      up: this.#input(graph, `${name}.up`, [rank, up.length / rank], () => up),
    };
  }

  protected stacked(graph: Graph, sizes: Sizes, inner: readonly number[]): Tensor {
    const parts = Object.entries(sizes).map(([name, size]) => this.#part(name, [size, ...inner]));
    const rows = Object.values(sizes).reduce((sum, size) => sum + size, 0);
    return this.#input(graph, Object.keys(sizes).join("+"), [rows, ...inner], () =>
      parts.flatMap((part) => [...part.floats()]),
    );
  }

  #part(name: string, shape?: readonly number[]): Part {
    return new Part(this.checkpoint, this.names, name, shape);
  }

  /** An input of the graph, and its buffer, which all graphs share by the input's name. */
  #input(graph: Graph, name: string, shape: readonly number[], values: () => ArrayLike<number>): Tensor {
    this.views[name] ??= this.#filled(shape, values());
    return graph.inputs.find((port) => port.name === name)?.tensor ?? graph.input(name, "f32", shape);
  }

  #filled(shape: readonly number[], values: ArrayLike<number>): View {
    const buffer = new Buffer("f32", values.length);
    new Float32Array(buffer.memory).set(values);
    return buffer.view(shape);
  }

  [Symbol.dispose](): void {
    for (const { buffer } of Object.values(this.views)) buffer[Symbol.dispose]();
  }
}
