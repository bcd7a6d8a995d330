import { concat, type Graph, plus, pool, type Tensor } from "../graph/index.ts";
import { normalise } from "../nn/norm.ts";
import { patchVectors } from "../nn/patches.ts";
import { type Stream, settle } from "../nn/stream.ts";
import { evenBatch, type TextBatch } from "../nn/unpad.ts";
import type { WeightSource } from "../weights/weight-source.ts";
import { Encoder, type EncoderConfig } from "./encoder.ts";
import { Parts } from "./parts.ts";

/** The configuration of an encoder of square images. */
export interface ImageEncoderConfig extends EncoderConfig {
  readonly channels: number;
  /** Pixels of a side. */
  readonly imageSize: number;
  /** Pixels of a patch's side. */
  readonly patchSize: number;
}

/** An encoder over the patches of an image, with a token of the whole image before them (Dosovitskiy et al. 2021). */
export class ImageEncoder {
  readonly #layers: Encoder;

  constructor(
    readonly config: ImageEncoderConfig,
    private readonly weights: WeightSource,
  ) {
    this.#layers = new Encoder(config, weights);
  }

  /** Tokens of an image. */
  get tokens(): number {
    const { imageSize, patchSize } = this.config;
    return (imageSize / patchSize) ** 2 + 1;
  }

  /** The vector of the token of the whole image, [batch, hidden], of pixels [batch, channels, side, side]. `batch` is a number. */
  pooled(graph: Graph, pixels: Tensor): Tensor {
    const mask = ones(graph, [Number(pixels.shape[0]), this.tokens]);
    return pool(this.hidden(graph, pixels), mask, "cls");
  }

  /** Hidden states of the last layer, [batch, tokens, hidden]. */
  hidden(graph: Graph, pixels: Tensor): Tensor {
    const batch = this.#batch(graph, pixels);
    return this.#layers.finish(graph, { branch: this.stream(graph, pixels, this.config.layers) }, batch);
  }

  /** The stream after the first `layers`, [batch, tokens, hidden]. */
  stream(graph: Graph, pixels: Tensor, layers: number): Tensor {
    const batch = this.#batch(graph, pixels);
    let stream: Stream = { branch: this.embed(graph, pixels) };
    for (let layer = 0; layer < layers; layer++) stream = this.#layers.layer(graph, layer, stream, batch);
    return settle(stream);
  }

  #batch(graph: Graph, { shape: [images] }: Tensor): TextBatch {
    return evenBatch(ones(graph, [Number(images), this.tokens]));
  }

  /** The stream before the first layer, [batch, tokens, hidden]. */
  embed(graph: Graph, pixels: Tensor): Tensor {
    const { hidden, channels, patchSize, epsilon } = this.config;
    const parts = new Parts(this.weights, graph);
    const weight = this.weights.matrix(graph, channels * patchSize ** 2, { "patch_embd.weight": hidden });
    const patches = patchVectors(pixels, patchSize, weight);
    const whole = parts.rows("class_embd", places(graph, pixels), 1, hidden);
    const positions = this.weights.table(graph, "position_embd.weight", [this.tokens, hidden]);
    const x = plus(concat([whole, patches], 1), positions);
    return normalise(x, parts.norm("token_embd_norm", hidden, { norm: "layer", epsilon }));
  }
}

/** The only row of a table, for each image: zeros, i64 [batch, 1]. */
function places(graph: Graph, { shape: [batch] }: Tensor): Tensor {
  const bytes = new Uint8Array(new BigInt64Array(Number(batch)).buffer);
  return graph.constant("first_row", { dtype: "i64", shape: [batch!, 1] }, { kind: "memory", bytes });
}

/** A mask without padding, i32. */
function ones(graph: Graph, shape: [number, number]): Tensor {
  const bytes = new Uint8Array(new Int32Array(shape[0] * shape[1]).fill(1).buffer);
  return graph.constant("even", { dtype: "i32", shape }, { kind: "memory", bytes });
}
