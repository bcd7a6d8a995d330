import { z } from "zod";
import { rnn, rnnStep } from "../../nn/rnn.ts";
import { checkValues, readVocabulary, recurrentSizes } from "../config/config.ts";
import type { Fields } from "../config/fields.ts";
import { CONTEXT } from "../config/recurrent-config.ts";
import { recurrent } from "../decoder/recurrent.ts";

const schema = recurrentSizes.omit({ stateSize: true, convWidth: true }).extend({
  inner: z
    .int()
    .min(1)
    .max(1 << 13),
});

function configure(fields: Fields) {
  fields.only("hidden_act", ["tanh"]);
  const hidden = fields.number("embedding_length", "hidden_size");
  const config = checkValues(schema, fields.source, {
    hidden,
    layers: fields.number("block_count", "num_hidden_layers"),
    inner: fields.number("feed_forward_length", "intermediate_size", 2 * hidden),
    epsilon: fields.number("attention.layer_norm_rms_epsilon", "layer_norm_epsilon", 1e-5),
    vocabulary: readVocabulary(fields),
    context: fields.number("context_length", "max_position_embeddings", CONTEXT),
  });
  return { ...config, heads: 0, kvHeads: 0, headSize: 0, recurrent: () => config.inner };
}

/**
 * Simple recurrent networks (Elman 1990) in residual layers with norms, like Mamba's: comparable to state spaces, but
 * nothing makes their states stable. No published checkpoint has this form.
 */
export const rnnArchitecture = recurrent("rnn", {
  bare: {},
  shapes: () => ({ huggingface: {}, gguf: {} }),
  configure,
  mixer: (weights, config) => ({
    train: (x) => rnn(weights, config, x),
    run: (x, state) => rnnStep(weights, config, x, state),
  }),
});
