import { readVocabulary } from "./config.ts";
import type { Fields } from "./fields.ts";

/** The maximum number of tokens per text for recurrent models, which have no positions; GGUFs state the same number. */
export const CONTEXT = 1 << 20;

/**
 * The sizes of all state-space models, unchecked; `stateSize` is the architecture's default. @throws UserError for
 * unsupported settings
 */
export function readRecurrent(fields: Fields, stateSize: number) {
  fields.only("hidden_act", ["silu"]);
  fields.only("use_bias", [false]);
  fields.only("use_conv_bias", [true]);
  return {
    layers: fields.number("block_count", "num_hidden_layers"),
    hidden: fields.number("embedding_length", "hidden_size"),
    stateSize: fields.number("ssm.state_size", "state_size", stateSize),
    convWidth: fields.number("ssm.conv_kernel", "conv_kernel", 4),
    epsilon: fields.number("attention.layer_norm_rms_epsilon", "layer_norm_epsilon", 1e-5),
    vocabulary: readVocabulary(fields),
    context: fields.number("context_length", "max_position_embeddings", CONTEXT),
  };
}
