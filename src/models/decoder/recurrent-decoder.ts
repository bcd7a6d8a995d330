import { type Graph, reshape, type Tensor } from "../../graph/index.ts";
import { inParts, type MixerWeights, ratesOf } from "../../nn/mixer-weights.ts";
import { enter, type Stream } from "../../nn/stream.ts";
import { tokensWith } from "../../nn/token-rows.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import { Parts } from "../tensors/parts.ts";
import type { Decoder, DecoderConfig, RecurrentBlock } from "./decoder.ts";

/** A recurrent decoder's configuration. */
export interface RecurrentConfig extends DecoderConfig {
  readonly epsilon: number;
}

/** A layer's work on its normalised input [batch, tokens, hidden]. */
export interface Mixer {
  /** Whole sequences. */
  train(x: Tensor): Tensor;
  /** New tokens after those of a state [batch, floats]. */
  run(x: Tensor, state: Tensor): { readonly y: Tensor; readonly state: Tensor };
}

/** GGUF's names of a mixer's weights by Hugging Face's. */
const canonical: Readonly<Record<string, string>> = {
  in_proj: "ssm_in",
  conv1d: "ssm_conv1d",
  x_proj: "ssm_x",
  dt_proj: "ssm_dt",
  dt_bias: "ssm_dt.bias",
  D: "ssm_d",
  norm: "ssm_norm",
  out_proj: "ssm_out",
  hidden_proj: "ssm_hidden",
};

/** A decoder of mixers alone, each behind a norm: h ← h + mixer(norm(h)). There are no positions. */
export class RecurrentDecoder<C extends RecurrentConfig> implements Decoder {
  readonly config: C;
  /** Rows of the token table; an adapter may add tokens. */
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
    const own = mixerWeights(this.weights, graph, parts, layer);
    const mixer = this.mixer(own, this.config);
    const normed = (stream: Stream) => this.#enter(parts, stream, `blk.${layer}.attn_norm`);
    return {
      kind: "recurrent",
      run(stream, state) {
        const { normed: x, residual } = normed(stream);
        const { y, state: next } = mixer.run(x, state);
        return { stream: { branch: y, residual }, state: next };
      },
      update: (stream, state) =>
        this.mixer({ ...own, projectParts: partsApart(parts, layer) }, this.config).run(normed(stream).normed, state)
          .state,
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

const partsApart =
  (parts: Parts, layer: number): MixerWeights["projectParts"] =>
  (x, name, sizes) =>
    parts.projectApart(x, `blk.${layer}.${canonical[name]!}`, sizes);

/** The weights of one layer's mixer, by the names that mixers have for them. */
function mixerWeights(weights: WeightSource, graph: Graph, parts: Parts, layer: number): MixerWeights {
  const place = (name: string) => `blk.${layer}.${name}`;
  /** A vector, or one in another shape: no rate decays in training. */
  const values = (name: string, shape: readonly number[]) => {
    const size = shape.reduce((product, n) => product * n, 1);
    const vector = weights.vector(graph, { [place(name)]: size });
    return shape.length === 1 ? vector : reshape(vector, shape);
  };
  /** A convolution's, [channels, 1, width]. */
  const filters = (name: string, shape: readonly number[]) =>
    reshape(weights.table(graph, place(name), [shape[0]!, shape[2]!]), shape);
  const named = (name: string) => {
    const [part, ...kind] = name.split(".");
    return [canonical[part!], ...kind].join(".");
  };
  const project: MixerWeights["project"] = (x, name, outputs, biased) =>
    parts.project(x, { [place(canonical[name]!)]: outputs }, () => biased ?? false);
  return {
    project,
    projectParts: inParts(project),
    tensor(name, shape) {
      if (shape.length === 3) return filters(named(name), shape);
      const [rows, width] = shape;
      if (width === undefined || !name.endsWith(".weight")) return values(named(name), shape);
      return weights.table(graph, place(named(name)), [rows!, width]);
    },
    // A GGUF stores A itself.
    rates: (shape) => (weights.config.kind === "gguf" ? values("ssm_a", shape) : ratesOf(values("ssm_a_log", shape))),
  };
}
