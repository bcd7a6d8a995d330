/** Tokens of one batch, padding among them: enough to keep the matrix products busy, few enough for their results to stay in the cache. */
export const BATCH_TOKENS = 1024;

/** Of a row, how much may be padding: beyond that another batch costs less. */
const MOST_PADDING = 1 / 8;
/** Tokens of padding that are always borne. */
const LITTLE_PADDING = 4;

const fits = (length: number, row: number): boolean => row - length <= Math.max(LITTLE_PADDING, row * MOST_PADDING);

/** What a batch takes of a list of texts: so many, from a place on. */
export interface Part {
  readonly from: number;
  readonly count: number;
}

/**
 * The next batch of texts of about equal length, by their lengths in lists, each the longest first: the longest of the first list, and what
 * fits beside it, of the first list first. It has at most `limit` tokens, or one text. Returns the tokens that each is padded to, and each list's part.
 */
export function nextBatch(
  lists: readonly (readonly number[])[],
  limit: number = BATCH_TOKENS,
): { tokens: number; parts: Part[] } {
  const tokens = lists[0]![0]!;
  let room = Math.max(1, Math.floor(limit / tokens));
  const parts = lists.map((lengths) => {
    const from = Math.max(0, lengths.findIndex((length) => length <= tokens)); // biome-ignore format: one line
    const end = lengths.findIndex((length, i) => i >= from && (i - from === room || !fits(length, tokens)));
    const count = lengths[from]! <= tokens ? (end < 0 ? lengths.length : end) - from : 0;
    room -= count;
    return { from, count };
  });
  return { tokens, parts };
}
