import type { Graph, Tensor } from "../../graph/index.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Names } from "../../weights/prepared/names.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import { Encoder, type EncoderConfig, type EncoderInput } from "../encoder/encoder.ts";
import { Seq2Seq, type Seq2SeqConfig } from "../seq2seq/seq2seq.ts";
import { configureT5, modulesFor, namesFor } from "./t5.ts";

/** Converts T5's configuration to an encoder's configuration, which has no field for relative position biases. */
function encoderConfig({ encoderLayers, gated, activation, ...sizes }: Seq2SeqConfig): EncoderConfig {
  return {
    ...sizes,
    layers: encoderLayers,
    ...{ norms: "before", shifted: false, fused: false, activation, gated: gated && "apart" },
    ...{ types: 0, firstPosition: undefined, positions: sizes.context, labels: 1 },
    rope: () => undefined,
    reach: () => undefined,
    classifier: { dense: "cls", activation: "tanh", output: "cls.output", pooling: "mean" },
    predictor: { dense: "mlm", activation, output: "mlm_output" },
  };
}

class T5Encoder extends Encoder {
  readonly #whole: Seq2Seq;

  constructor(config: Seq2SeqConfig, weights: WeightSource) {
    super(encoderConfig(config), weights);
    this.#whole = new Seq2Seq(config, weights);
  }

  override hidden(graph: Graph, { ids, mask }: EncoderInput): Tensor {
    return this.#whole.encode(graph, { ids, mask });
  }
}

const NAME = "t5encoder";
const isGated = ({ tensors }: Checkpoint): boolean => tensors.has("enc.blk.0.ffn_gate.weight");

/** A T5's encoder without the decoder, for embeddings; GGUF has a separate architecture for it. */
export const t5Encoder = {
  tensors: (checkpoint: Checkpoint): Names => namesFor(checkpoint, { gated: isGated(checkpoint) }),
  // A gated model cannot be recognised here, so the names of both forms are returned.
  modules: (canonical: string): string[] => [true, false].flatMap((gated) => modulesFor({ gated })(canonical)),
  open(weights: WeightSource): Encoder {
    return new T5Encoder(
      configureT5(weights.config, (tensor) => weights.has(tensor), NAME),
      weights,
    );
  },
};
