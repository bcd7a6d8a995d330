/** Scripts without spaces between words, for a class in a regular expression. */
export const UNSPACED =
  "\\p{sc=Han}\\p{sc=Hiragana}\\p{sc=Katakana}\\p{sc=Thai}\\p{sc=Lao}\\p{sc=Khmer}\\p{sc=Myanmar}";
/** The maximum number of characters in a word; it cuts text without spaces, such as base64. */
const LONGEST = 40;

const word = new RegExp(`[${UNSPACED}]|[^\\s${UNSPACED}]{1,${LONGEST}}`, "gu");

/** A part of a text, `start` inclusive, `end` exclusive. */
export interface Span {
  readonly start: number;
  readonly end: number;
}

/**
 * The positions of a text's words: runs of up to 40 characters without a space, or single characters of scripts without
 * spaces.
 */
export const wordSpans = (text: string): Span[] =>
  Array.from(text.matchAll(word), ({ 0: found, index }) => ({ start: index, end: index + found.length }));
