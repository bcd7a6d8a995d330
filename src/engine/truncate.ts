import { ContextExceeded } from "../util/errors.ts";

/** What is done about a text that is too long: true cuts its end, a number cuts it to so many tokens, false refuses it. */
export type Truncate = boolean | number;

/** The most tokens to read of a text, of `most` that the model reads. */
export function limitOf(truncate: Truncate = true, most: number): number {
  if (typeof truncate === "number") return Math.min(truncate, most);
  return truncate ? most : Number.POSITIVE_INFINITY;
}

/** @throws ContextExceeded if a text was not cut, and is too long */
export function checkTokens(tokens: number, most: number, index: number): void {
  if (tokens <= most) return;
  throw new ContextExceeded(
    `text ${index + 1} has ${tokens} tokens, and the model reads ${most} at most; expected fewer, or truncate`,
  );
}
