import { ContextExceeded } from "../util/errors.ts";

/** What is done about a text that is too long: true cuts its end, a number cuts it to so many tokens, false refuses it. */
export type Truncate = boolean | number;

/** The most tokens to read of a text, of `most` that the model reads. */
export function limitOf(truncate: Truncate = true, most: number): number {
  if (typeof truncate === "number") return Math.min(truncate, most);
  return truncate ? most : Number.POSITIVE_INFINITY;
}

/** A text that was not cut is longer than the model reads. */
export class TextTooLong extends ContextExceeded {
  /** `length`: how long the text is, and what the model reads. */
  constructor(readonly length: string) {
    super(`${length}; expected fewer, or truncate`);
  }
}

/** What a sentence calls one of several texts, by its index. */
export type TextName = (index: number) => string;

export const textName: TextName = (index) => `text ${index + 1}`;
export const documentName: TextName = (index) => `document ${index + 1}`;

/** @throws TextTooLong if a text was not cut, and is too long; `text` names it */
export function checkTokens(tokens: number, most: number, text: string): void {
  if (tokens <= most) return;
  throw new TextTooLong(`${text} has ${tokens} tokens, and the model reads ${most} at most`);
}
