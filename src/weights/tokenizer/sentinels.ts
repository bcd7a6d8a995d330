import { UserError } from "../../util/errors.ts";
import type { Tokenizer } from "./tokenizer.ts";

/** The name of T5's sentinel for the k-th blank of a text. */
export const sentinelName = (k: number): string => `<extra_id_${k}>`;

/** Modes of models trained by UL2R; a prompt begins with one (Tay et al. 2022, section 3.1.2). */
export const MODES = ["S2S", "NLU", "NLG"] as const;
export type Mode = (typeof MODES)[number];

/** The special token of a mode. */
export const modeToken = (mode: Mode): string => `[${mode}]`;

/** A text with blanks. */
export interface Blanks {
  /** The texts around the blanks, one more than the number of blanks, without the space before a blank. */
  readonly texts: readonly string[];
  /** True for each blank with a space before it. */
  readonly spaced: readonly boolean[];
}

/** Reads a text with `<extra_id_0>`, `<extra_id_1>` … in order. @throws UserError if one is missing or misplaced */
export function parseBlanks(text: string): Blanks {
  const found = [...text.matchAll(/<extra_id_(\d+)>/g)].map(([name]) => name);
  if (found.length === 0) throw new UserError(`the prompt has no blank; mark the first with ${sentinelName(0)}`, 2);
  const wrong = found.findIndex((name, k) => name !== sentinelName(k));
  if (wrong >= 0) throw new UserError(`the prompt's blanks: expected ${sentinelName(wrong)}, got ${found[wrong]}`, 2);
  const texts = text.split(/<extra_id_\d+>/);
  const spaced = texts.slice(0, -1).map((before) => before.endsWith(" "));
  // A token includes the space before its word, so the space belongs to the blank.
  return { texts: texts.map((each, k) => (spaced[k] ? each.slice(0, -1) : each)), spaced };
}

/**
 * The ids of a text with blanks, and of the sentinel that requests the first blank. @throws UserError if the model
 * lacks a sentinel
 */
export function encodeBlanks({ texts }: Blanks, tokenizer: Tokenizer): number[] {
  const segments = texts.flatMap((text, k) => [
    ...(k > 0 ? [{ text: requireSpecial(tokenizer, sentinelName(k - 1)), special: true }] : []),
    ...(text === "" ? [] : [{ text, special: false }]),
  ]);
  return tokenizer.encodeSegments([...segments, { text: sentinelName(0), special: true }]);
}

/** A text with its blanks filled. */
export interface Infill {
  readonly text: string;
  readonly blanks: readonly string[];
}

/** Fills a text from an answer's tokens: the first blank, a sentinel, the second blank and so on. */
export function fillBlanks({ texts, spaced }: Blanks, tokens: readonly number[], tokenizer: Tokenizer): Infill {
  const filled = spaced.map((space, k) => {
    const answer = tokenizer.decode(blankOf(tokens, k, tokenizer));
    return space && !answer.startsWith(" ") ? ` ${answer}` : answer;
  });
  const text = texts.map((each, k) => each + (filled[k] ?? "")).join("");
  return { text, blanks: filled.map((each, k) => (spaced[k] ? each.slice(1) : each)) };
}

/** The tokens that fill a blank: after its sentinel, up to the next special token. */
function blankOf(tokens: readonly number[], k: number, tokenizer: Tokenizer): readonly number[] {
  const from = k === 0 ? 0 : tokens.indexOf(tokenizer.specialId(sentinelName(k))!) + 1;
  if (k > 0 && from === 0) return [];
  const length = tokens.slice(from).findIndex((id) => tokenizer.isSpecial(id) || tokenizer.stopIds.has(id));
  return length < 0 ? tokens.slice(from) : tokens.slice(from, from + length);
}

/** @throws UserError if the model has no such special token */
export function requireSpecial(tokenizer: Tokenizer, name: string): string {
  if (tokenizer.specialId(name) !== undefined) return name;
  throw new UserError(
    `${tokenizer.path}: the model has no token ${name}; expected a model trained to fill blanks, such as with --method ul2r`,
    2,
  );
}
