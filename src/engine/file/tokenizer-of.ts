import path from "node:path";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import { fromFolder, fromGguf, Tokenizer } from "../../weights/tokenizer/index.ts";

/**
 * A checkpoint's own tokenizer, or one from an adapter's folder. It must not have more tokens than the model's
 * `vocabulary`.
 * @throws UserError
 */
export function tokenizerOf({ config }: Checkpoint, vocabulary: number, folder?: string): Tokenizer {
  if (folder !== undefined) return new Tokenizer(fromFolder(folder, vocabulary));
  switch (config.kind) {
    case "gguf":
      return new Tokenizer(fromGguf(config.metadata));
    case "huggingface":
      return new Tokenizer(fromFolder(path.dirname(config.path), vocabulary));
  }
}
