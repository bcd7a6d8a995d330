import { columns, type Graph, plus, pool, reshape, type Tensor, unit } from "../../graph/index.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Names } from "../../weights/prepared/names.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import { Encoder, type EncoderInput } from "../encoder/encoder.ts";
import { Parts } from "../tensors/parts.ts";
import type { ImageEncoder } from "./image-encoder.ts";

/** A text encoder whose token vectors enter the first layer without a norm, like CLIP's. */
export class PlainTextEncoder extends Encoder {
  override embed(graph: Graph, { ids }: EncoderInput, { padding }: Parameters<Encoder["embed"]>[2]): Tensor {
    const { vocabulary, hidden, positions } = this.config;
    const parts = new Parts(this.weights, graph);
    const tokens = parts.tokens(ids, vocabulary, hidden);
    return padding.unpad(plus(tokens, parts.rows("position_embd", columns(ids, 0), positions, hidden)));
  }
}

/** Differences between models of images and texts. */
export interface ImageTextTraits {
  /** The width of the shared space. */
  readonly width: number;
  /** The towers with a projection after them. */
  readonly projected: readonly ("t" | "v")[];
  /** The function from an image's logits to scores: over all labels, or for each label separately. */
  readonly activation: "softmax" | "sigmoid";
  /** The length to which every text is padded; padding is read like any token. If absent, texts are not padded. */
  readonly textLength?: number;
}

/** An architecture of two towers. Canonical names of their weights begin with `t.` and `v.`. */
export interface ImageTextArchitecture {
  tensors(checkpoint: Checkpoint): Names;
  /** Unused tensors, such as position ids, which old files contain. */
  unread(checkpoint: Checkpoint): string[];
  open(weights: WeightSource): ImageText;
}

/** A model that maps images and texts into a shared space: an encoder for each, and projections after them. */
export class ImageText {
  constructor(
    readonly text: Encoder,
    readonly image: ImageEncoder,
    private readonly weights: WeightSource,
    readonly traits: ImageTextTraits,
  ) {}

  /** The width of the shared space. */
  get width(): number {
    return this.traits.width;
  }

  /** Vectors of texts, of length 1, [batch, width]: each is the vector of the last token, which sees all others. */
  textVectors(graph: Graph, input: EncoderInput): Tensor {
    return this.#project(graph, "t", pool(this.text.hidden(graph, input), input.mask, "last"));
  }

  /** Vectors of images, of length 1, [batch, width]; pixels [batch, channels, height, width] with a known batch. */
  imageVectors(graph: Graph, pixels: Tensor): Tensor {
    return this.#project(graph, "v", this.image.pooled(graph, pixels));
  }

  /** The factor and the bias that turn the cosine of an image and a text into their logit. */
  get logit(): { readonly scale: number; readonly bias: number } {
    const stored = (name: string) => this.weights.values(name)?.[0] ?? 0;
    return { scale: Math.exp(stored("logit_scale")), bias: stored("logit_bias") };
  }

  /** Projects x [batch, hidden] to [batch, width]; each input becomes a row of one token, as projections expect. */
  #project(graph: Graph, tower: "t" | "v", x: Tensor): Tensor {
    if (!this.traits.projected.includes(tower)) return unit(x);
    const [batch, hidden] = x.shape;
    const rows = reshape(x, [batch!, 1, hidden!]);
    const projected = new Parts(this.weights, graph).project(rows, { [`${tower}.projection`]: this.width });
    return unit(reshape(projected, [batch!, this.width]));
  }
}
