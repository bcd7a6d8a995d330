import { columns, type Graph, plus, pool, reshape, type Tensor, unit } from "../../graph/index.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Names } from "../../weights/prepared/names.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import { Encoder, type EncoderInput } from "../encoder/encoder.ts";
import { Parts } from "../tensors/parts.ts";
import type { ImageEncoder } from "./image-encoder.ts";

/** An encoder of texts whose token vectors enter the first layer without a norm, as a CLIP's do. */
export class PlainTextEncoder extends Encoder {
  override embed(graph: Graph, { ids }: EncoderInput, { padding }: Parameters<Encoder["embed"]>[2]): Tensor {
    const { vocabulary, hidden, positions } = this.config;
    const parts = new Parts(this.weights, graph);
    const tokens = parts.tokens(ids, vocabulary, hidden);
    return padding.unpad(plus(tokens, parts.rows("position_embd", columns(ids, 0), positions, hidden)));
  }
}

/** How models of images and texts differ. */
export interface ImageTextTraits {
  /** The width of the common space. */
  readonly width: number;
  /** The towers with a projection behind them. */
  readonly projected: readonly ("t" | "v")[];
  /** The function from an image's logits to its labels' scores: among all labels, or each by itself. */
  readonly activation: "softmax" | "sigmoid";
  /** Tokens that every text is filled up to, with padding that is read as any token; absent: texts stay as they are. */
  readonly textLength?: number;
}

/** An architecture of two towers. `t.` and `v.` begin the canonical names of their weights. */
export interface ImageTextArchitecture {
  tensors(checkpoint: Checkpoint): Names;
  /** Tensors that are not read, such as places by number, which old files store. */
  unread(checkpoint: Checkpoint): string[];
  open(weights: WeightSource): ImageText;
}

/** A model that puts images and texts into one space: an encoder of each, and projections behind them. */
export class ImageText {
  constructor(
    readonly text: Encoder,
    readonly image: ImageEncoder,
    private readonly weights: WeightSource,
    readonly traits: ImageTextTraits,
  ) {}

  /** The width of the common space. */
  get width(): number {
    return this.traits.width;
  }

  /** Vectors of texts, of length 1, [batch, width]: each is its last token's, which has seen all others. */
  textVectors(graph: Graph, input: EncoderInput): Tensor {
    return this.#project(graph, "t", pool(this.text.hidden(graph, input), input.mask, "last"));
  }

  /** Vectors of images, of length 1, [batch, width]; pixels [batch, channels, height, width], of as many as are known. */
  imageVectors(graph: Graph, pixels: Tensor): Tensor {
    return this.#project(graph, "v", this.image.pooled(graph, pixels));
  }

  /** The factor from the cosine of an image and a text to their logit, and what is added. */
  get logit(): { readonly scale: number; readonly bias: number } {
    const stored = (name: string) => this.weights.values(name)?.[0] ?? 0;
    return { scale: Math.exp(stored("logit_scale")), bias: stored("logit_bias") };
  }

  /** x [batch, hidden] → [batch, width]; projections take rows of tokens, so each has one here. */
  #project(graph: Graph, tower: "t" | "v", x: Tensor): Tensor {
    if (!this.traits.projected.includes(tower)) return unit(x);
    const [batch, hidden] = x.shape;
    const rows = reshape(x, [batch!, 1, hidden!]);
    const projected = new Parts(this.weights, graph).project(rows, { [`${tower}.projection`]: this.width });
    return unit(reshape(projected, [batch!, this.width]));
  }
}
