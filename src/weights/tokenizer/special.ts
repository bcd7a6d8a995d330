import { UserError } from "../../util/errors.ts";
import { HARMONY } from "./answer-marks.ts";
import { type TokenizerSource, TokenType } from "./source.ts";
import type { Tokenizer } from "./tokenizer.ts";

/**
 * Special tokens that always end an answer, besides the file's `eos`, as in llama.cpp (`special_eog_ids` in
 * llama-vocab.cpp).
 */
const END_OF_ANSWER: ReadonlySet<string | undefined> = new Set([
  "<|im_end|>",
  "<|eot_id|>",
  "<|eom_id|>",
  "<|end|>",
  "<|end_of_text|>",
  "<|endoftext|>",
  "<end_of_turn>",
  "<EOT>",
  // In models that can infill, these tokens come before padding or another file.
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

/** @throws UserError if the file's lists and ids do not match */
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

/** Tokens that no text encodes to: control tokens, and tokens with a special role, whatever their types in the file. */
export function specialIds(source: TokenizerSource): ReadonlySet<number> {
  const roles = [source.bos, source.eos, source.cls, source.sep, source.eot, source.eom].filter(
    (id) => id !== undefined,
  );
  return new Set([...idsOfType(source, TokenType.unknown), ...idsOfType(source, TokenType.control), ...roles]);
}

/** Ids that end an answer: end of text, of turn, of message. */
export function stopIds(source: TokenizerSource, special: ReadonlySet<number>): ReadonlySet<number> {
  return new Set(
    [source.eos, source.eot, source.eom, ...namedEnds(special, source.tokens)].filter((id) => id !== undefined),
  );
}

/** Special tokens whose texts mark the end of an answer. */
export function namedEnds(special: ReadonlySet<number>, tokens: readonly string[]): number[] {
  const all = Array.from(special);
  const ends = isHarmony(all.map((id) => tokens[id])) ? HARMONY_ENDS : END_OF_ANSWER;
  return all.filter((id) => ends.has(tokens[id]));
}

/** In harmony, `<|end|>` ends a message, but not the answer. */
const HARMONY_ENDS: ReadonlySet<string | undefined> = new Set([HARMONY.return, HARMONY.call, "<|endoftext|>"]);

const isHarmony = (special: readonly (string | undefined)[]): boolean =>
  [HARMONY.channel, HARMONY.call].every((text) => special.includes(text));

export function idsOfType({ tokenTypes = [] }: TokenizerSource, type: number): number[] {
  const ids: number[] = [];
  for (let id = 0; id < tokenTypes.length; id++) if (tokenTypes[id] === type) ids.push(id);
  return ids;
}

/** Tokens for filling in the middle of a text: before the prefix, before the suffix, and before the middle. */
export interface Fim {
  readonly prefix: number;
  readonly suffix: number;
  readonly middle: number;
}

/** Names of Qwen's, StarCoder's, SantaCoder's, DeepSeek's and Code Llama's tokens. */
const FIM_NAMES = [
  ["<|fim_prefix|>", "<|fim_suffix|>", "<|fim_middle|>"],
  ["<fim_prefix>", "<fim_suffix>", "<fim_middle>"],
  ["<fim-prefix>", "<fim-suffix>", "<fim-middle>"],
  ["<｜fim▁begin｜>", "<｜fim▁hole｜>", "<｜fim▁end｜>"],
  ["▁<PRE>", "▁<SUF>", "▁<MID>"],
] as const;

/** Finds a vocabulary's tokens for filling in the middle; undefined if one of them is missing. */
export function fimNamed(tokens: readonly string[]): Fim | undefined {
  for (const names of FIM_NAMES) {
    const [prefix, suffix, middle] = names.map((name) => tokens.indexOf(name)) as [number, number, number];
    if (Math.min(prefix, suffix, middle) >= 0) return { prefix, suffix, middle };
  }
  return undefined;
}

/** The texts of the mask tokens of LLaDA and Dream. New models use the first text. */
const MASKS = ["<|mdm_mask|>", "<|mask|>"] as const;
export const [MASK_TOKEN] = MASKS;

/** The id of the mask token; undefined if the tokenizer has none. */
export const maskIdOf = (tokenizer: Pick<Tokenizer, "mask" | "specialId">): number | undefined =>
  tokenizer.mask ?? MASKS.map((name) => tokenizer.specialId(name)).find((id) => id !== undefined);
