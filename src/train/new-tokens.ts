import path from "node:path";
import { decoderArchitecture } from "../models/registry.ts";
import { UserError } from "../util/errors.ts";
import { writeWhole } from "../util/write-whole.ts";
import { type TokenizerFiles, tokenizerFilesOf } from "../weights/tokenizer/files.ts";
import { fromFolder, Tokenizer } from "../weights/tokenizer/index.ts";
import type { Base } from "./subject.ts";

/** A tokenizer's files with more special tokens, whose ids go on from `first`, the number of tokens that there are. */
export function addTokens(files: TokenizerFiles, tokens: readonly string[], first: number): TokenizerFiles {
  const name = "tokenizer.json";
  const contents = files[name];
  if (contents === undefined) throw new UserError(`the model has no ${name}, to which tokens can be added`);
  const tokenizer = JSON.parse(contents) as { added_tokens?: object[] };
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const added = tokens.map((content, i) => ({ id: first + i, content, ...flags }));
  const all = { ...tokenizer, added_tokens: [...(tokenizer.added_tokens ?? []), ...added] };
  return { ...files, [name]: `${JSON.stringify(all, null, 2)}\n` };
}

/** Those of `tokens` that are no special tokens of a tokenizer. */
export const missingIn = (tokenizer: Tokenizer, tokens: readonly string[]): string[] =>
  tokens.filter((token) => tokenizer.specialId(token) === undefined);

/** Writes a tokenizer's files into a folder, with the special tokens that it lacks, and opens it. @throws UserError */
export async function writeTokenizer(
  files: TokenizerFiles,
  tokens: readonly string[],
  folder: string,
): Promise<Tokenizer> {
  const written = async (some: TokenizerFiles) => {
    for (const [name, contents] of Object.entries(some)) await writeWhole(path.join(folder, name), contents);
    return new Tokenizer(fromFolder(folder));
  };
  const plain = await written(files);
  const missing = missingIn(plain, tokens);
  return missing.length === 0 ? plain : written(addTokens(files, missing, plain.vocabSize));
}

/**
 * A base with special tokens that it may lack. The files of a tokenizer with new tokens are written into `folder`, and
 * `base.extended` says how many rows the model's tables lack.
 * @throws UserError if the tokenizer cannot be extended
 */
export async function withTokens(base: Base, tokens: readonly string[], folder: string): Promise<Base> {
  if (missingIn(base.tokenizer, tokens).length === 0) return base;
  const tokenizer = await writeTokenizer(tokenizerFilesOf(base.checkpoint), tokens, folder);
  const { vocabulary } = decoderArchitecture(base.checkpoint).configure(base.checkpoint.config);
  return { ...base, tokenizer, extended: { folder, rows: Math.max(0, tokenizer.vocabSize - vocabulary) } };
}
