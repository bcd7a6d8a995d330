import { UserError } from "../../util/errors.ts";
import { type TokenizerSource, TokenType } from "./source.ts";

/**
 * Special tokens that always end an answer, besides the file's `eos`, as in llama.cpp (`special_eog_ids` in
 * llama-vocab.cpp).
 */
export const END_OF_ANSWER: ReadonlySet<string | undefined> = new Set([
  "<|im_end|>",
  "<|eot_id|>",
  "<|eom_id|>",
  "<|end|>",
  "<|end_of_text|>",
  "<|endoftext|>",
  "<end_of_turn>",
  "<EOT>",
  // Models that fill in: the rest is padding, or another file.
  "<|fim_pad|>",
  "<|repo_name|>",
  "<|file_sep|>",
  "</s>",
]);

const ROLES = [
  "bos",
  "eos",
  "pad",
  "unk",
  "mask",
  "cls",
  "sep",
  "eot",
  "eom",
  "fimPrefix",
  "fimSuffix",
  "fimMiddle",
] as const;

/** @throws UserError if the file's lists and ids do not fit each other */
export function checkIds(source: TokenizerSource): void {
  const { path, tokens, tokenTypes } = source;
  if (tokenTypes !== undefined && tokenTypes.length !== tokens.length) {
    throw new UserError(
      `${path}: tokenizer.ggml.token_type has ${tokenTypes.length} entries for ${tokens.length} tokens`,
    );
  }
  for (const role of ROLES) {
    const id = source[role];
    if (id === undefined || id in tokens) continue;
    throw new UserError(`${path}: the tokenizer's ${role} is token ${id}, but there are only ${tokens.length} tokens`);
  }
}

/** Tokens that no text stands for: control tokens, and those with a special role, regardless of the file's types. */
export function specialIds(source: TokenizerSource): ReadonlySet<number> {
  const roles = [source.bos, source.eos, source.cls, source.sep, source.eot, source.eom].filter(
    (id) => id !== undefined,
  );
  return new Set([...idsOfType(source, TokenType.unknown), ...idsOfType(source, TokenType.control), ...roles]);
}

/** Ids that end an answer: end of text, of turn, of message. */
export function stopIds(source: TokenizerSource, special: ReadonlySet<number>): ReadonlySet<number> {
  const named = Array.from(special).filter((id) => END_OF_ANSWER.has(source.tokens[id]));
  return new Set([source.eos, source.eot, source.eom, ...named].filter((id) => id !== undefined));
}

export function idsOfType({ tokenTypes = [] }: TokenizerSource, type: number): number[] {
  const ids: number[] = [];
  for (let id = 0; id < tokenTypes.length; id++) if (tokenTypes[id] === type) ids.push(id);
  return ids;
}
