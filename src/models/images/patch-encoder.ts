import {
  type Dim,
  type Graph,
  gather,
  matmul,
  mul,
  plus,
  reshape,
  rotaryEmbedding,
  type Tensor,
} from "../../graph/index.ts";
import { project } from "../../nn/linear.ts";
import { type RopeConfig, ropeName, ropeTable } from "../../nn/rope.ts";
import { type Stream, settle } from "../../nn/stream.ts";
import { evenBatch, type TextBatch } from "../../nn/unpad.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import { Encoder, type EncoderConfig } from "../encoder/encoder.ts";

/** The configuration of an encoder for images of any size. */
export interface PatchEncoderConfig extends EncoderConfig {
  readonly channels: number;
  /** Pixels per side of a patch. */
  readonly patchSize: number;
  /** The number of patches per side of a square, which becomes one row of the decoder's stream. */
  readonly merge: number;
  /** The number of frames in a patch; an image is repeated for each frame. */
  readonly frames: number;
  /** The base of the wavelengths that encode positions. */
  readonly rotaryBase: number;
  /** True if patch vectors have a bias. */
  readonly patchBias: boolean;
  /** Layers in which a patch sees only its window, `side` merged squares wide; absent if no layer has windows. */
  readonly windows?: { readonly side: number; has(layer: number): boolean };
  /**
   * The side of the learned position grid, which is interpolated to an image's patches; if absent, only rotations
   * encode positions.
   */
  readonly positionSide?: number;
  /** Layers whose outputs have separate mergers, in the mergers' order. */
  readonly deep: readonly number[];
}

/** An image's patches; the patches of a merged square are adjacent. */
export interface Patches {
  /** The number of merged squares. */
  readonly squares: Dim;
  /** [1, patches, channels · frames · side · side] */
  readonly values: Tensor;
  /** Row and column of each patch, i64 [1, patches]. */
  readonly rows: Tensor;
  readonly columns: Tensor;
  /** Ones, i32 [1, patches]. */
  readonly mask: Tensor;
  /**
   * Present if layers have windows: the patches of each window, i64 [windows, most]; their mask, i32; and the index of
   * each patch within the windows, i64 [1, patches].
   */
  readonly windows?: { readonly patches: Tensor; readonly mask: Tensor; readonly places: Tensor };
  /** Present if positions are learned: each patch's four nearest grid positions, i64 [1, patches, 4], and their weights, f32. */
  readonly positions?: { readonly next: Tensor; readonly shares: Tensor };
}

/**
 * An encoder over any number of patches, whose positions are rotations: half of a head rotates by the row, half by the
 * column (Wang et al. 2024).
 */
export class PatchEncoder {
  readonly #layers: Encoder;

  constructor(
    readonly config: PatchEncoderConfig,
    private readonly weights: WeightSource,
  ) {
    this.#layers = new Encoder(config, weights);
  }

  /** The number of values in a patch. */
  get patchWidth(): number {
    const { channels, frames, patchSize } = this.config;
    return channels * frames * patchSize ** 2;
  }

  /** The last layer's states, normalised, and the `deep` layers' outputs, by depth: [1, patches, hidden] each. */
  run(graph: Graph, patches: Patches): { readonly hidden: Tensor; readonly deep: readonly Tensor[] } {
    const { layers, windows } = this.config;
    const whole = this.#whole(graph, patches);
    const inWindows = patches.windows && this.#inWindows(graph, patches, patches.windows);
    const deep: Tensor[] = [];
    let stream: Stream = { branch: this.#embed(graph, patches) };
    for (let layer = 0; layer < layers; layer++) {
      const batch = windows?.has(layer) && inWindows ? inWindows : whole;
      stream = this.#layers.layer(graph, layer, stream, batch);
      if (this.config.deep.includes(layer)) deep.push(settle(stream));
    }
    return { hidden: this.#layers.finish(graph, stream, whole), deep };
  }

  /** The vectors of patches, [1, patches, hidden]. */
  #embed(graph: Graph, { values, positions }: Patches): Tensor {
    const { hidden, patchBias, positionSide } = this.config;
    const weight = this.weights.matrix(graph, this.patchWidth, { "patch_embd.weight": hidden });
    const bias = patchBias ? this.weights.vector(graph, { "patch_embd.bias": hidden }) : undefined;
    const vectors = project(values, weight, bias);
    if (positionSide === undefined || !positions) return vectors;
    const table = this.weights.table(graph, "position_embd.weight", [positionSide ** 2, hidden]);
    const { next, shares } = positions;
    const [one, patches, count] = shares.shape as [Dim, Dim, Dim];
    const between = matmul(reshape(shares, [one, patches, 1, count]), gather(table, next, 0));
    return plus(vectors, reshape(between, vectors.shape));
  }

  /** A batch in which every patch sees all other patches. */
  #whole(graph: Graph, { rows, columns, mask }: Patches): TextBatch {
    return { ...evenBatch(mask), turn: this.#turn(graph, [rows, columns]) };
  }

  /** A batch with one row per window; only attention is limited to windows. */
  #inWindows(graph: Graph, patches: Patches, windows: NonNullable<Patches["windows"]>): TextBatch {
    const [, count] = patches.mask.shape;
    const at = (axis: Tensor) => gather(reshape(axis, [count!]), windows.patches, 0);
    const flat = (x: Tensor) => reshape(x, [mul(...x.shape.slice(0, 2)), x.shape[2]!]);
    return {
      mask: windows.mask,
      padding: {
        pad: (x) => gather(flat(x), windows.patches, 0),
        unpad: (x) => gather(flat(x), windows.places, 0),
      },
      turn: this.#turn(graph, [at(patches.rows), at(patches.columns)]),
    };
  }

  #turn(graph: Graph, positions: readonly [rows: Tensor, columns: Tensor]): (x: Tensor) => Tensor {
    const { heads } = this.config;
    const tables = this.#tables(graph);
    return (x) => positions.reduce((y, at, axis) => rotaryEmbedding(y, at, tables[axis]!, { heads, pairs: "half" }), x);
  }

  /** Rotary tables for rows and for columns; each rotates its half of the pairs. */
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
