import { readdirSync } from "node:fs";
import path from "node:path";
import type { Checkpoint } from "./checkpoint.ts";

/** The files beside a Hugging Face model's weights that programs need to run the model; a GGUF has none. */
export function companions({ config }: Checkpoint): string[] {
  switch (config.kind) {
    case "gguf":
      return [];
    case "huggingface":
      return companionsIn(path.dirname(config.path));
  }
}

/** The companion files in a folder whose weights are not written yet. */
export const companionsIn = (folder: string): string[] =>
  readdirSync(folder)
    .filter((name) => isCompanion(name))
    .map((name) => path.join(folder, name));

const isCompanion = (name: string): boolean =>
  /^((generation_)?config|tokenizer(_config)?|preprocessor_config|special_tokens_map|added_tokens|vocab|chat_template)\.json$/.test(
    name,
  ) || /^(vocab\.txt|merges\.txt|chat_template\.jinja|(tokenizer|spiece|sentencepiece\.bpe)\.model)$/.test(name);
