import path from "node:path";
import { decoderArchitecture } from "../../models/registry.ts";
import { suggest, UserError } from "../../util/errors.ts";
import { writeWhole } from "../../util/write-whole.ts";
import { type TokenizerFiles, tokenizerFilesOf } from "../../weights/tokenizer/files.ts";
import { fromFolder, Tokenizer } from "../../weights/tokenizer/index.ts";
import type { NewTokens } from "../methods/method.ts";
import type { Base } from "./subject.ts";

/** Adds special tokens to a tokenizer's files; their ids start at `first`, the current number of tokens. */
function addTokens(files: TokenizerFiles, tokens: readonly string[], first: number): TokenizerFiles {
  const name = "tokenizer.json";
  const contents = files[name];
  if (contents === undefined) throw new UserError(`the model has no ${name} to add tokens to`);
  const tokenizer = JSON.parse(contents) as { added_tokens?: object[] };
  const flags = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const added = tokens.map((content, i) => ({ id: first + i, content, ...flags }));
  const all = { ...tokenizer, added_tokens: [...(tokenizer.added_tokens ?? []), ...added] };
  return { ...files, [name]: `${JSON.stringify(all, null, 2)}\n` };
}

/** Renames a token in all files. */
function renameToken(files: TokenizerFiles, from: string, to: string): TokenizerFiles {
  const [before, after] = [from, to].map((name) => JSON.stringify(name)) as [string, string];
  const entries = Object.entries(files).map(([name, contents]) => [
    name,
    name.endsWith(".json") ? contents.replaceAll(before, after) : contents,
  ]);
  return Object.fromEntries(entries);
}

const missingIn = (tokenizer: Tokenizer, names: readonly string[]): string[] =>
  names.filter((name) => tokenizer.specialId(name) === undefined);

/** Writes a tokenizer's files into a folder, adds missing special tokens, and opens the tokenizer. @throws UserError */
export async function writeTokenizer(
  files: TokenizerFiles,
  { names, inPlaceOf = [] }: NewTokens,
  folder: string,
): Promise<Tokenizer> {
  const written = async (some: TokenizerFiles) => {
    for (const [name, contents] of Object.entries(some)) await writeWhole(path.join(folder, name), contents);
    return new Tokenizer(fromFolder(folder));
  };
  const plain = await written(files);
  const missing = missingIn(plain, names);
  if (missing.length === 0) return plain;
  const [unknown] = missingIn(plain, inPlaceOf);
  if (unknown !== undefined)
    throw new UserError(`the model has no special token "${unknown}"${suggest(unknown, plain.specialTokens)}`, 2);
  const replaced = inPlaceOf.slice(0, missing.length);
  const renamed = replaced.reduce((all, from, i) => renameToken(all, from, missing[i]!), files);
  const others = missing.slice(replaced.length);
  return written(others.length === 0 ? renamed : addTokens(renamed, others, plain.vocabSize));
}

/**
 * Adds missing special tokens to a base. The files of an extended tokenizer are written to `folder`, and
 * `base.extended` lists the new tokens.
 * @throws UserError if the tokenizer cannot be extended
 */
export async function withTokens(base: Base, tokens: NewTokens, folder: string): Promise<Base> {
  const missing = missingIn(base.tokenizer, tokens.names);
  if (missing.length === 0) return base;
  const tokenizer = await writeTokenizer(tokenizerFilesOf(base.checkpoint), tokens, folder);
  const { vocabulary } = (await decoderArchitecture(base.checkpoint)).configure(base.checkpoint.config);
  const ids = missing.map((name) => tokenizer.specialId(name)!).sort((a, b) => a - b);
  return { ...base, tokenizer, extended: { folder, ids, rows: Math.max(0, tokenizer.vocabSize - vocabulary) } };
}
