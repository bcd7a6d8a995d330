import { allWords } from "../../../src/lab/data/attributes/words.ts";
import { writeVocabulary } from "../../common/word-vocabulary.ts";

/** Writes a folder that `train` takes as `tokenizer`. */
export const writeWords = (folder: string): Promise<void> =>
  writeVocabulary(folder, {
    words: allWords.map((word) => `Ġ${word}`),
    architecture,
    chatTemplate: "{% for message in messages %}{{ message.content }}{% endfor %}",
  });

/** The decoder: 1.3 million parameters. Positions are known by the rotary embedding alone. */
export const architecture = {
  model_type: "llama",
  hidden_size: 128,
  intermediate_size: 344,
  num_hidden_layers: 6,
  num_attention_heads: 4,
  num_key_value_heads: 4,
  max_position_embeddings: 512,
  rms_norm_eps: 1e-5,
  rope_theta: 10_000,
  hidden_act: "silu",
  tie_word_embeddings: true,
  // With 0.02, attention barely distinguishes words at first, and the model learns look-ups much later.
  initializer_range: 0.08,
} as const;
