import type { Graph, Tensor } from "../../graph/index.ts";
import type { MixerWeights } from "../../nn/mixer-weights.ts";
import { enter, type Stream } from "../../nn/stream.ts";
import { tokensWith } from "../../nn/token-rows.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import { mixerParts } from "../tensors/mixer-parts.ts";
import { Parts } from "../tensors/parts.ts";
import type { Decoder, DecoderConfig, RecurrentBlock } from "./decoder.ts";
import type { Mixer } from "./mixer-layer.ts";

/** A recurrent decoder's configuration. */
export interface RecurrentConfig extends DecoderConfig {
  readonly epsilon: number;
}

/** A decoder whose layers are only mixers, each after a norm: h ← h + mixer(norm(h)). There are no positions. */
export class RecurrentDecoder<C extends RecurrentConfig> implements Decoder {
  readonly config: C;
  /** The number of rows in the token table; an adapter may add tokens. */
  readonly #table: number;

  constructor(
    config: C,
    readonly weights: WeightSource,
    private readonly mixer: (weights: MixerWeights, config: C) => Mixer,
  ) {
    this.#table = config.vocabulary;
    this.config = { ...config, vocabulary: tokensWith(config.vocabulary, weights.tokens) };
  }

  attention(layer: number): never {
    throw new Error(`layer ${layer} is recurrent and has no attention`);
  }

  rotary(): undefined {
    return undefined;
  }

  embed(graph: Graph, ids: Tensor): Tensor {
    return new Parts(this.weights, graph).tokens(ids, this.#table, this.config.hidden);
  }

  block(graph: Graph, layer: number): RecurrentBlock {
    const parts = new Parts(this.weights, graph);
    const own = mixerParts(this.weights, graph, layer);
    const mixer = this.mixer(own.together, this.config);
    const normed = (stream: Stream) => this.#enter(parts, stream, `blk.${layer}.attn_norm`);
    return {
      kind: "recurrent",
      run(stream, state) {
        const { normed: x, residual } = normed(stream);
        const { y, state: next } = mixer.run(x, state);
        return { stream: { branch: y, residual }, state: next };
      },
      update: (stream, state) => this.mixer(own.apart, this.config).run(normed(stream).normed, state).state,
      train(stream) {
        const { normed: x, residual } = normed(stream);
        return { branch: mixer.train(x), residual };
      },
    };
  }

  finish(graph: Graph, stream: Stream): Tensor {
    return this.#enter(new Parts(this.weights, graph), stream, "output_norm").normed;
  }

  #enter(parts: Parts, stream: Stream, norm: string): ReturnType<typeof enter> {
    const { hidden, epsilon } = this.config;
    return enter(stream, parts.norm(norm, hidden, { norm: "rms", epsilon }));
  }

  logits(graph: Graph, hidden: Tensor): Tensor {
    return new Parts(this.weights, graph).head(hidden, this.#table);
  }

  logitsOf(graph: Graph, hidden: Tensor, ids: readonly number[]): Tensor {
    return new Parts(this.weights, graph).headOf(hidden, this.#table, ids);
  }
}
