/** A stretch of text; `special` where it is the text of one special token and stands for it. */
export interface Segment {
  text: string;
  special: boolean;
}

/** Cuts `text` at the special tokens in it: the first there is, the longest where several begin. Empty stretches are left out. */
export function splitAt(text: string, specialTokens: readonly string[]): Segment[] {
  if (specialTokens.length === 0) return text === "" ? [] : [{ text, special: false }];
  // Around a captured group, every second part is a match.
  const parts = text.split(new RegExp(`(${anyOf(specialTokens)})`));
  return parts.map((part, i) => ({ text: part, special: i % 2 === 1 })).filter((part) => part.text !== "");
}

/** A pattern for the longest of `texts` that begins at a place. */
export function anyOf(texts: readonly string[]): string {
  const longestFirst = [...texts].sort((a, b) => b.length - a.length);
  return longestFirst.map((text) => text.replace(/[\\^$.*+?()[\]{}|]/g, "\\$&")).join("|");
}
