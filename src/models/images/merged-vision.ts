import { concat, type Graph, reshape, type Tensor } from "../../graph/index.ts";
import { activateMlp } from "../../nn/mlp.ts";
import { normalise } from "../../nn/norm.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import { Parts } from "../tensors/parts.ts";
import type { PatchEncoder, Patches } from "./patch-encoder.ts";
import type { ImagePlace } from "./vision.ts";

/** Encodes images of any size; two layers merge squares of patches into rows (Wang et al. 2024, Qwen2-VL). */
export class MergedVision {
  readonly pictures = "patches";

  constructor(
    readonly config: ImagePlace,
    readonly encoder: PatchEncoder,
    private readonly weights: WeightSource,
  ) {}

  /** Computes rows [1, rows, rowWidth] from an image's patches, row by row. */
  rows(graph: Graph, patches: Patches): Tensor {
    const { hidden, deep } = this.encoder.run(graph, patches);
    const { merge, hidden: width, epsilon } = this.encoder.config;
    const parts = new Parts(this.weights, graph);
    const merged = (x: Tensor) => reshape(x, [1, patches.squares, merge ** 2 * width]);
    const added = deep.map((stream, i) => {
      const name = `mm.deep.${this.#merger(i)}`;
      const x = merged(stream);
      const norm = parts.norm(`${name}.norm`, merge ** 2 * width, { norm: "layer", epsilon });
      return this.#project(parts, normalise(x, norm), name);
    });
    const rows = this.#project(parts, merged(hidden), "mm");
    return added.length === 0 ? rows : concat([rows, ...added], 2);
  }

  /** The index of the merger for output `i`; outputs are in order of depth. */
  #merger(i: number): number {
    const { deep } = this.encoder.config;
    return deep.indexOf(deep.toSorted((a, b) => a - b)[i]!);
  }

  #project(parts: Parts, x: Tensor, name: string): Tensor {
    const inside = activateMlp(parts.project(x, { [`${name}.0`]: Number(x.shape[2]) }), "gelu", false);
    return parts.project(inside, { [`${name}.2`]: this.config.hidden });
  }
}
