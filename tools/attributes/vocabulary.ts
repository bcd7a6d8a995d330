import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { allWords } from "../../src/lab/data/attributes/words.ts";
import { writeTensors } from "../../src/weights/safetensors/write.ts";
import { alphabet } from "../../src/weights/tokenizer/alphabet.ts";

const END = "<|endoftext|>";

/** Writes a folder that `train` takes as `tokenizer`: the tokenizer's files beside a model of one empty table. */
export async function writeVocabulary(folder: string): Promise<void> {
  const tokens = [...alphabet, ...allWords.map((word) => `Ġ${word}`)];
  const vocab = Object.fromEntries([...tokens, END].map((token, id) => [token, id]));
  const byteLevel = { type: "ByteLevel", add_prefix_space: false, trim_offsets: false, use_regex: true };
  const special = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const tokenizer = {
    ...{ version: "1.0", truncation: null, padding: null, normalizer: null, post_processor: null },
    added_tokens: [{ id: tokens.length, content: END, ...special }],
    ...{ pre_tokenizer: byteLevel, decoder: byteLevel },
    model: {
      ...{ type: "BPE", dropout: null, unk_token: null, continuing_subword_prefix: null, end_of_word_suffix: null },
      ...{ fuse_unk: false, byte_fallback: false, ignore_merges: true, vocab, merges: [] },
    },
  };
  const config = {
    ...{ tokenizer_class: "PreTrainedTokenizerFast", bos_token: END, eos_token: END },
    ...{ add_bos_token: false, clean_up_tokenization_spaces: false },
    chat_template: "{% for message in messages %}{{ message.content }}{% endfor %}",
  };
  mkdirSync(folder, { recursive: true });
  const write = (name: string, value: unknown) => writeFileSync(join(folder, name), `${JSON.stringify(value)}\n`);
  write("tokenizer.json", tokenizer);
  write("tokenizer_config.json", config);
  const size = tokens.length + 1;
  write("config.json", { ...architecture, vocab_size: size });
  const table = { shape: [size, 1], values: () => new Float32Array(size) };
  await writeTensors(join(folder, "model.safetensors"), new Map([["model.embed_tokens.weight", table]]));
}

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
  // With 0.02, attention hardly tells words apart at first, and looking things up is learned far later.
  initializer_range: 0.08,
} as const;
