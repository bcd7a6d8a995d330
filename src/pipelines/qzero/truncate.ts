/** A text cut to a token limit. */
export interface Cut {
  readonly text: string;
  /** The number of tokens before and after the cut. */
  readonly whole: number;
  readonly read: number;
  /** The number of parts before and after the cut; a part that was partly cut does not count as read. */
  readonly parts: { readonly whole: number; readonly read: number };
}

/**
 * Joins parts with spaces, and keeps as many whole words from the beginning as fit in `most` tokens, but at least one
 * word.
 */
export function cutToTokens(parts: readonly string[], most: number, tokensOf: (text: string) => number): Cut {
  const words = parts.map((part) => part.split(/\s+/).filter((word) => word !== ""));
  const all = words.flat();
  const whole = tokensOf(all.join(" "));
  const count = whole <= most ? all.length : Math.max(1, longest(all, most, tokensOf));
  const text = all.slice(0, count).join(" ");
  const read = count === all.length ? whole : tokensOf(text);
  return { text, whole, read, parts: { whole: parts.length, read: wholeParts(words, count) } };
}

/** The greatest number of leading words that together have at most `most` tokens. */
function longest(words: readonly string[], most: number, tokensOf: (text: string) => number): number {
  // A word has at least one token.
  let [fits, tooMany] = [0, Math.min(words.length, most + 1)];
  while (tooMany - fits > 1) {
    const middle = (fits + tooMany) >> 1;
    if (tokensOf(words.slice(0, middle).join(" ")) <= most) fits = middle;
    else tooMany = middle;
  }
  return fits;
}

function wholeParts(words: readonly (readonly string[])[], count: number): number {
  let remaining = count;
  for (const [i, part] of words.entries()) {
    remaining -= part.length;
    if (remaining < 0) return i;
  }
  return words.length;
}
