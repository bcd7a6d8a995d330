import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { writeTensors } from "../../src/weights/safetensors/write.ts";
import { alphabet } from "../../src/weights/tokenizer/alphabet.ts";

const END = "<|endoftext|>";

/** A small world's words, and the model that reads them. */
interface Vocabulary {
  /** Tokens; `Ġ` stands for a space. */
  readonly words: readonly string[];
  readonly architecture: object;
  readonly chatTemplate?: string;
}

/**
 * Writes a folder that `train` takes as `tokenizer`: each word is a token, and other texts are bytes. Beside the
 * tokenizer's files, it writes a model with one empty table.
 */
export async function writeVocabulary(folder: string, vocabulary: Vocabulary): Promise<void> {
  const { words, architecture, chatTemplate } = vocabulary;
  const tokens = [...alphabet, ...words];
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
    ...(chatTemplate !== undefined && { chat_template: chatTemplate }),
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
