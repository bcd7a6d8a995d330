import { concat, type Graph, plus, pool, reshape, split, type Tensor } from "../../graph/index.ts";
import { attend } from "../../nn/attend.ts";
import { activateMlp } from "../../nn/mlp.ts";
import { normalise } from "../../nn/norm.ts";
import { patchVectors } from "../../nn/patches.ts";
import { resizePositions } from "../../nn/resize-positions.ts";
import { type Stream, settle } from "../../nn/stream.ts";
import { evenBatch, type TextBatch } from "../../nn/unpad.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import { Encoder, type EncoderConfig } from "../encoder/encoder.ts";
import { Parts } from "../tensors/parts.ts";

/** The configuration of an encoder for square images. */
export interface ImageEncoderConfig extends EncoderConfig {
  readonly channels: number;
  /** Pixels per side. */
  readonly imageSize: number;
  /** Pixels per side of the images in training, if positions are interpolated. */
  readonly trainedSize?: number;
  /** Pixels per side of a patch. */
  readonly patchSize: number;
  /** True if a class token, which represents the entire image, comes before the patch tokens. */
  readonly classToken: boolean;
  /** True if patch vectors have a bias. */
  readonly patchBias: boolean;
  /** True if the residual stream is normalised before the first layer. */
  readonly embeddingNorm: boolean;
  /** True if a learned query pools an image's tokens into its vector; if absent, the vector is the first token's. */
  readonly probe?: boolean;
}

/** An encoder over an image's patches, with or without a class token (Dosovitskiy et al. 2021). */
export class ImageEncoder {
  readonly #layers: Encoder;

  constructor(
    readonly config: ImageEncoderConfig,
    private readonly weights: WeightSource,
  ) {
    this.#layers = new Encoder(config, weights);
  }

  /** The number of tokens of an image. */
  get tokens(): number {
    return this.side ** 2 + (this.config.classToken ? 1 : 0);
  }

  /** Patches per side; incomplete patches at the right and bottom edges are dropped. */
  get side(): number {
    return this.#patchesOf(this.config.imageSize);
  }

  #patchesOf(size: number): number {
    return Math.floor(size / this.config.patchSize);
  }

  /** The vector of an entire image, [batch, hidden], from pixels [batch, channels, side, side]. `batch` is a number. */
  pooled(graph: Graph, pixels: Tensor): Tensor {
    const hidden = this.hidden(graph, pixels);
    if (this.config.probe) return probed(graph, this.weights, hidden, places(graph, pixels), this.config);
    return pool(hidden, ones(graph, [Number(pixels.shape[0]), this.tokens]), "cls");
  }

  /** Hidden states of the last layer, [batch, tokens, hidden]. */
  hidden(graph: Graph, pixels: Tensor): Tensor {
    const batch = this.#batch(graph, pixels);
    return this.#layers.finish(graph, { branch: this.stream(graph, pixels, this.config.layers) }, batch);
  }

  /** The residual stream after the first `layers` layers, [batch, tokens, hidden]. */
  stream(graph: Graph, pixels: Tensor, layers: number): Tensor {
    const batch = this.#batch(graph, pixels);
    let stream: Stream = { branch: this.embed(graph, pixels) };
    for (let layer = 0; layer < layers; layer++) stream = this.#layers.layer(graph, layer, stream, batch);
    return settle(stream);
  }

  #batch(graph: Graph, { shape: [images] }: Tensor): TextBatch {
    return evenBatch(ones(graph, [Number(images), this.tokens]));
  }

  /** The residual stream before the first layer, [batch, tokens, hidden]. */
  embed(graph: Graph, pixels: Tensor): Tensor {
    const { hidden, epsilon, classToken, embeddingNorm } = this.config;
    const parts = new Parts(this.weights, graph);
    const patches = this.#patches(graph, pixels);
    const all = classToken ? concat([parts.rows("class_embd", places(graph, pixels), 1, hidden), patches], 1) : patches;
    const x = plus(all, this.#positions(graph));
    return embeddingNorm ? normalise(x, parts.norm("token_embd_norm", hidden, { norm: "layer", epsilon })) : x;
  }

  /** The position vectors, [tokens, hidden]. */
  #positions(graph: Graph): Tensor {
    const { hidden, imageSize, trainedSize = imageSize, classToken } = this.config;
    const [trained, first] = [this.#patchesOf(trainedSize), classToken ? 1 : 0];
    const name = "position_embd.weight";
    const own = this.weights.table(graph, name, [trained ** 2 + first, hidden]);
    if (trained === this.side) return own;
    const table = this.weights.values(name)!;
    return this.weights.computed(graph, `${name}.${this.side}`, [this.tokens, hidden], () => {
      const [before, grid] = [table.subarray(0, first * hidden), table.subarray(first * hidden)];
      return Float32Array.of(...before, ...resizePositions(grid, trained, this.side, hidden));
    });
  }

  #patches(graph: Graph, pixels: Tensor): Tensor {
    const { hidden, channels, imageSize, patchSize, patchBias } = this.config;
    const weight = this.weights.matrix(graph, channels * patchSize ** 2, { "patch_embd.weight": hidden });
    const bias = patchBias ? this.weights.vector(graph, { "patch_embd.bias": hidden }) : undefined;
    const [covered, rest] = [this.side * patchSize, imageSize - this.side * patchSize];
    const cut = (x: Tensor, axis: number) => (rest === 0 ? x : split(x, axis, [covered, rest])[0]!);
    return patchVectors(cut(cut(pixels, 2), 3), patchSize, weight, bias);
  }
}

/** Indices into a table with a single row, for each image: zeros, i64 [batch, 1]. */
function places(graph: Graph, { shape: [batch] }: Tensor): Tensor {
  const bytes = new Uint8Array(new BigInt64Array(Number(batch)).buffer);
  return graph.constant("first_row", { dtype: "i64", shape: [batch!, 1] }, { kind: "memory", bytes });
}

/** A mask without padding, i32. */
export function ones(graph: Graph, shape: [number, number]): Tensor {
  const bytes = new Uint8Array(new Int32Array(shape[0] * shape[1]).fill(1).buffer);
  return graph.constant(`even.${shape.join("x")}`, { dtype: "i32", shape }, { kind: "memory", bytes });
}

/**
 * The vector of an entire image: a learned query attends to all of its tokens, then a feed-forward (SigLIP's pooling
 * head in transformers, after Lee et al. 2019, section 3.2): tokens [batch, tokens, hidden], `first` zeros i64 [batch,
 * 1] → [batch, hidden].
 */
function probed(graph: Graph, weights: WeightSource, tokens: Tensor, first: Tensor, config: EncoderConfig) {
  const { hidden, heads, ffn, activation, epsilon } = config;
  const parts = new Parts(weights, graph);
  const q = parts.project(parts.rows("probe", first, 1, hidden), { "probe.attn_q": hidden });
  const [k, v] = ["k", "v"].map((of) => parts.project(tokens, { [`probe.attn_${of}`]: hidden }));
  const seen = parts.project(attend(q, k!, v!, heads).values, { "probe.attn_output": hidden });
  const normed = normalise(seen, parts.norm("probe.ffn_norm", hidden, { norm: "layer", epsilon }));
  const inside = activateMlp(parts.project(normed, { "probe.ffn_up": ffn }), activation, false);
  return reshape(plus(seen, parts.project(inside, { "probe.ffn_down": hidden })), [tokens.shape[0]!, hidden]);
}
