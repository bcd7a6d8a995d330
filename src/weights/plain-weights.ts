import type { Graph, Tensor } from "../graph/index.ts";
import { UserError } from "../util/errors.ts";
import type { ConfigSource } from "./checkpoint.ts";
import { FloatRows } from "./float-rows.ts";
import type { SafeTensor } from "./safetensors/header.ts";
import { readFloats } from "./safetensors/read.ts";
import type { Sizes } from "./weight-source.ts";

/** Loads a small safetensors file's tensors as float32 constants, under the names in the file. */
export class PlainWeights extends FloatRows {
  constructor(
    readonly config: ConfigSource,
    private readonly tensors: ReadonlyMap<string, SafeTensor>,
  ) {
    super();
  }

  has(name: string): boolean {
    return this.tensors.has(name);
  }

  override values(name: string): Float32Array | undefined {
    const tensor = this.tensors.get(name);
    return tensor && readFloats(tensor);
  }

  protected stacked(graph: Graph, sizes: Sizes, inner: readonly number[]): Tensor {
    const parts = Object.entries(sizes).map(([name, rows]) => this.#floats(name, [rows, ...inner]));
    const rows = Object.values(sizes).reduce((sum, size) => sum + size, 0);
    const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
    let end = 0;
    for (const part of parts) {
      all.set(part, end);
      end += part.length;
    }
    const type = { dtype: "f32", shape: [rows, ...inner] } as const;
    return graph.constant(Object.keys(sizes).join("+"), type, { kind: "memory", bytes: new Uint8Array(all.buffer) });
  }

  /** @throws UserError if there is no tensor with this name and shape */
  #floats(name: string, shape: readonly number[]): Float32Array {
    const tensor = this.tensors.get(name);
    if (tensor && tensor.shape.join() === shape.join()) return readFloats(tensor);
    const got = tensor ? `[${tensor.shape.join(", ")}]` : "none";
    throw new UserError(`${this.config.path}: tensor "${name}" is ${got}, expected [${shape.join(", ")}]`);
  }
}
