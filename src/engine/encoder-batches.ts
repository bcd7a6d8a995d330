/** Tokens of one batch, padding among them: enough to keep the matrix products busy, few enough for their results to stay in the cache. */
export const BATCH_TOKENS = 1024;

/** Texts of one batch by index, and the tokens that each is padded to. */
export interface Batch {
  readonly texts: readonly number[];
  readonly tokens: number;
}

/** Of a row, how much may be padding: beyond that another batch costs less. */
const MOST_PADDING = 1 / 8;
/** Tokens of padding that are always borne. */
const LITTLE_PADDING = 4;

const fits = (length: number, row: number): boolean => row - length <= Math.max(LITTLE_PADDING, row * MOST_PADDING);

/** Texts of the given lengths as batches of about equal ones, the longest first; a batch has at most `limit` tokens, or one text. */
export function batchesOf(lengths: readonly number[], limit: number = BATCH_TOKENS): Batch[] {
  const order = lengths.map((_, i) => i).sort((a, b) => lengths[b]! - lengths[a]!);
  const batches: { texts: number[]; tokens: number }[] = [];
  for (const text of order) {
    const open = batches.at(-1);
    if (open && fits(lengths[text]!, open.tokens) && (open.texts.length + 1) * open.tokens <= limit)
      open.texts.push(text);
    else batches.push({ texts: [text], tokens: lengths[text]! });
  }
  return batches;
}
