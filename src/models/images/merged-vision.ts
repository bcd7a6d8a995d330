import { type Dim, type Graph, mul, reshape, type Tensor } from "../../graph/index.ts";
import { activateMlp } from "../../nn/mlp.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import { Parts } from "../tensors/parts.ts";
import type { PatchEncoder, Patches } from "./patch-encoder.ts";
import type { ImagePlace } from "./vision.ts";

/** Images of any size, whose squares of patches are merged by two layers into rows of a decoder's stream (Wang et al. 2024, Qwen2-VL). */
export class MergedVision {
  readonly pictures = "patches";

  constructor(
    readonly config: ImagePlace,
    readonly encoder: PatchEncoder,
    private readonly weights: WeightSource,
  ) {}

  /** Patches of an image by squares: values [rows, merge², numbers], the others [rows, merge²] → [1, rows, hidden], row by row. */
  rows(graph: Graph, squares: Patches): Tensor {
    const { hidden, merge } = this.encoder.config;
    const [rows, square] = [squares.rows.shape[0] as Dim, merge ** 2];
    const line = (x: Tensor) => reshape(x, [1, mul(rows, square), ...x.shape.slice(2)]);
    const { values, rows: down, columns, mask } = squares;
    const patches = { values: line(values), rows: line(down), columns: line(columns), mask: line(mask) };
    const width = square * hidden;
    const merged = reshape(this.encoder.hidden(graph, patches), [1, rows, width]);
    const parts = new Parts(this.weights, graph);
    const inside = activateMlp(parts.project(merged, { "mm.0": width }), "gelu", false);
    return parts.project(inside, { "mm.2": this.config.hidden });
  }
}
