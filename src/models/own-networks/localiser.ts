import { type Dim, type Graph, matmulTransposed, plus, reshape, split, type Tensor, times } from "../../graph/index.ts";
import { attend } from "../../nn/attend.ts";
import { activateMlp } from "../../nn/mlp.ts";
import { normalise } from "../../nn/norm.ts";
import { prefixed } from "../../weights/prefixed.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import { ImageEncoder, type ImageEncoderConfig } from "../images/image-encoder.ts";
import { Parts } from "../tensors/parts.ts";

/** The sizes of a localiser, except the sizes of its image encoder. */
export interface LocaliserConfig {
  readonly image: ImageEncoderConfig;
  /** The number of layers in the box decoder. */
  readonly layers: number;
  readonly heads: number;
  /** The number of mask cells along a patch's side. */
  readonly cells: number;
  /** The width of the vectors whose products form a mask. */
  readonly maskWidth: number;
}

/** Frequencies of the sines and cosines that encode a box's edges. */
const FREQUENCIES = [1, 2, 4, 8, 16];

/** Numbers that encode a box: each edge, and its sine and cosine at each frequency. */
export const BOX_NUMBERS = 4 * (1 + 2 * FREQUENCIES.length);

/** A box in the localiser's form, from its edges (left, top, right and bottom) as fractions of the image's sides. */
export function boxNumbers(box: readonly number[]): number[] {
  return box.flatMap((edge) => [
    2 * edge - 1,
    ...FREQUENCIES.flatMap((f) => [Math.sin(Math.PI * f * edge), Math.cos(Math.PI * f * edge)]),
  ]);
}

/**
 * The extent to which a box covers each mask cell, from −1 (nothing) to 1, in the order of mask computation: patch by
 * patch, row by row within a patch. There are `side` cells per side of the image, `cells` per side of a patch.
 */
export function boxCells(box: readonly number[], side: number, cells: number): Float32Array {
  const [left, top, right, bottom] = box.map((edge) => edge * side) as [number, number, number, number];
  const along = (at: number, from: number, to: number) => Math.max(0, Math.min(at + 1, to) - Math.max(at, from));
  return Float32Array.from(cellOrder(side, cells), (at) => {
    const share = along(at % side, left, right) * along(Math.floor(at / side), top, bottom);
    return 2 * share - 1;
  });
}

/** For each mask cell in computation order, its index in an image `side` cells wide. */
export function cellOrder(side: number, cells: number): Int32Array {
  const patches = side / cells;
  return Int32Array.from({ length: side * side }, (_, i) => {
    const [patch, cell] = [Math.floor(i / (cells * cells)), i % (cells * cells)];
    const y = Math.floor(patch / patches) * cells + Math.floor(cell / cells);
    return y * side + (patch % patches) * cells + (cell % cells);
  });
}

/** The decoder's outputs for regions. */
export interface LocaliserOutput {
  /** A vector for each region, from which its mask is drawn: [batch, regions, hidden]. */
  readonly tokens: Tensor;
  /** Mask logits, patch by patch, row by row within a patch: [batch, regions, patches · cells²]. */
  readonly masks: Tensor;
  /** A logit for how well each box fits an object: [batch, regions]. */
  readonly fits: Tensor;
}

/**
 * A small network that predicts the mask of the object in a box, for any class, similar to SAM (Kirillov et al. 2023):
 * an image encoder, run once, and a decoder in which each region's token attends to the image. Regions do not see one
 * another.
 */
export class Localiser {
  readonly encoder: ImageEncoder;

  constructor(
    readonly config: LocaliserConfig,
    private readonly weights: WeightSource,
  ) {
    this.encoder = new ImageEncoder(config.image, prefixed(weights, "v."));
  }

  /** The number of patches in a picture. */
  get patches(): number {
    return this.encoder.tokens - 1;
  }

  /** The features of the images' patches, [batch, patches, hidden]. */
  features(g: Graph, pixels: Tensor): Tensor {
    return split(this.encoder.hidden(g, pixels), 1, [1, this.patches])[1]!;
  }

  /**
   * Predicts the object in each box. `boxes` is [batch, regions, BOX_NUMBERS]; `covered` [batch, regions, patches ·
   * cells²], cell coverage from −1 to 1, is scaled and added to the mask logits.
   */
  regions(g: Graph, features: Tensor, boxes: Tensor, covered: Tensor): LocaliserOutput {
    const { heads, layers, maskWidth, cells } = this.config;
    const { hidden } = this.config.image;
    const parts = new Parts(this.weights, g);
    const norm = (name: string) => parts.norm(name, hidden, { norm: "layer", epsilon: 1e-5 });
    let x = normalise(parts.project(boxes, { box_embd: hidden }), norm("box_norm"));
    for (let layer = 0; layer < layers; layer++) {
      const name = (part: string) => `blk.${layer}.${part}`;
      const q = parts.project(x, { [name("attn_q")]: hidden });
      const [k, v] = ["attn_k", "attn_v"].map((part) => parts.project(features, { [name(part)]: hidden }));
      const seen = parts.project(attend(q, k!, v!, heads).values, { [name("attn_output")]: hidden });
      x = normalise(plus(x, seen), norm(name("attn_norm")));
      const inside = activateMlp(parts.project(x, { [name("ffn_up")]: 2 * hidden }), "gelu", false);
      x = normalise(plus(x, parts.project(inside, { [name("ffn_down")]: hidden })), norm(name("ffn_norm")));
    }
    const [batch, regions] = x.shape as [Dim, Dim];
    const drawn = parts.project(activateMlp(parts.project(x, { mask_up: hidden }), "gelu", false), { mask: maskWidth });
    const ground = parts.project(features, { ground: cells * cells * maskWidth });
    const cellsOf = reshape(ground, [batch, this.patches * cells * cells, maskWidth]);
    const fits = reshape(parts.project(x, { fit: 1 }), [batch, regions]);
    const gain = this.weights.vector(g, { "cover.weight": this.patches * cells * cells });
    return { tokens: x, masks: plus(matmulTransposed(drawn, cellsOf), times(covered, gain)), fits };
  }
}
