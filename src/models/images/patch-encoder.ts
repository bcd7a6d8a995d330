import { type Graph, rotaryEmbedding, type Tensor } from "../../graph/index.ts";
import { project } from "../../nn/linear.ts";
import { type RopeConfig, ropeName, ropeTable } from "../../nn/rope.ts";
import type { Stream } from "../../nn/stream.ts";
import { evenBatch } from "../../nn/unpad.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import { Encoder, type EncoderConfig } from "../encoder/encoder.ts";

/** The configuration of an encoder of images of any size. */
export interface PatchEncoderConfig extends EncoderConfig {
  readonly channels: number;
  /** Pixels of a patch's side. */
  readonly patchSize: number;
  /** Patches of a side that become one row of the decoder's stream. */
  readonly merge: number;
  /** Frames of a patch: an image is as many equal ones. */
  readonly frames: number;
  /** Base of the wavelengths of positions. */
  readonly rotaryBase: number;
}

/** The patches of an image, those of a square that is merged side by side. */
export interface Patches {
  /** [1, patches, channels · frames · side · side] */
  readonly values: Tensor;
  /** Row and column of each, i64 [1, patches]. */
  readonly rows: Tensor;
  readonly columns: Tensor;
  /** Ones, i32 [1, patches]. */
  readonly mask: Tensor;
}

/** An encoder over any number of patches, whose positions are rotations: half of a head turns by the row, half by the column (Wang et al. 2024). */
export class PatchEncoder {
  readonly #layers: Encoder;

  constructor(
    readonly config: PatchEncoderConfig,
    private readonly weights: WeightSource,
  ) {
    this.#layers = new Encoder(config, weights);
  }

  /** Numbers of a patch. */
  get patchWidth(): number {
    const { channels, frames, patchSize } = this.config;
    return channels * frames * patchSize ** 2;
  }

  /** Normalised hidden states of the last layer, [1, patches, hidden]. */
  hidden(graph: Graph, { values, rows, columns, mask }: Patches): Tensor {
    const { hidden, layers, heads } = this.config;
    const tables = this.#tables(graph);
    const turn = (x: Tensor) =>
      [rows, columns].reduce((y, at, axis) => rotaryEmbedding(y, at, tables[axis]!, { heads, pairs: "half" }), x);
    const batch = { ...evenBatch(mask), turn };
    const weight = this.weights.matrix(graph, this.patchWidth, { "patch_embd.weight": hidden });
    let stream: Stream = { branch: project(values, weight) };
    for (let layer = 0; layer < layers; layer++) stream = this.#layers.layer(graph, layer, stream, batch);
    return this.#layers.finish(graph, stream, batch);
  }

  /** Tables of rows and of columns, each of which turns its half of the pairs alone. */
  #tables(graph: Graph) {
    const { headSize, rotaryBase, context } = this.config;
    const rope: RopeConfig = { theta: rotaryBase, headSize: headSize / 2, positions: context };
    const pairs = headSize / 2;
    const table = (of: "cos" | "sin", axis: number) =>
      this.weights.computed(graph, `${ropeName(of, rope)}.axis${axis}`, [context, pairs], () => {
        const own = ropeTable(Math[of], rope);
        const quarter = pairs / 2;
        return Float32Array.from({ length: context * pairs }, (_, i) => {
          const pair = (i % pairs) - axis * quarter;
          if (pair < 0 || pair >= quarter) return of === "cos" ? 1 : 0;
          return own[Math.floor(i / pairs) * quarter + pair]!;
        });
      });
    return [0, 1].map((axis) => ({ cos: table("cos", axis), sin: table("sin", axis) }));
  }
}
