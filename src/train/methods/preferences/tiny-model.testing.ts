import { cpSync } from "node:fs";
import path from "node:path";

/** Makes a tiny random model with a character tokenizer and a chat template. */
export function tinyChatModel(folder: string): string {
  const model = path.join(folder, "model");
  const from = path.join(import.meta.dirname, "../../../models/fixtures/llama-heads");
  for (const file of ["config.json", "model.safetensors"]) cpSync(path.join(from, file), path.join(model, file));
  for (const file of ["tokenizer.json", "tokenizer_config.json"])
    cpSync(path.join(import.meta.dirname, "fixtures", file), path.join(model, file));
  return model;
}
