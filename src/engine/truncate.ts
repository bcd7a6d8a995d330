import { ContextExceeded } from "../util/errors.ts";

/** The treatment of texts that are too long: true cuts their ends, a number cuts to that length, false refuses. */
export type Truncate = boolean | number;

/** The maximum number of tokens to read per text; the model's limit is `most`. */
export function limitOf(truncate: Truncate = true, most: number): number {
  if (typeof truncate === "number") return Math.min(truncate, most);
  return truncate ? most : Number.POSITIVE_INFINITY;
}

/** Thrown if a text that must not be cut is longer than the model's limit. */
export class TextTooLong extends ContextExceeded {
  /** `length`: the text's length and the model's limit, in words. */
  constructor(readonly length: string) {
    super(`${length}; expected fewer, or truncate`);
  }
}

/** Names one of several texts in messages, by its index. */
export type TextName = (index: number) => string;

export const textName: TextName = (index) => `text ${index + 1}`;
export const documentName: TextName = (index) => `document ${index + 1}`;

/** @throws TextTooLong if a text that must not be cut is too long; `text` names it */
export function checkTokens(tokens: number, most: number, text: string): void {
  if (tokens <= most) return;
  throw new TextTooLong(`${text} has ${tokens} tokens, but the model reads at most ${most}`);
}
