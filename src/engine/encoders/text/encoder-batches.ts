import { evalCost, type Spent } from "../../../graph/index.ts";
import type { Cost } from "../../../graph/op.ts";

/** Tokens per batch, including padding: enough to keep matrix products busy, few enough for the cache. */
export const BATCH_TOKENS = 1024;

/** The largest share of padding in a row. Padding costs only attention; above this share, another batch is cheaper. */
const MOST_PADDING = 1 / 4;
/** The number of padding tokens that is always accepted. */
const LITTLE_PADDING = 8;

const fits = (length: number, row: number): boolean => row - length <= Math.max(LITTLE_PADDING, row * MOST_PADDING);

/** A list's part of a batch: `count` texts from an index. */
interface Part {
  readonly from: number;
  readonly count: number;
}

/** A batch of texts, padded to `tokens`, by the lists that they are taken from. */
export interface TextBatch {
  readonly tokens: number;
  readonly parts: readonly Part[];
}

/**
 * Chooses the next batch from lists of text lengths, each sorted longest first. It contains the first list's longest
 * text, padded to the length at which the most other tokens fit. It has at most `limit` tokens, including padding, or
 * is a single text.
 */
export function nextBatch(lists: readonly (readonly number[])[], limit: number = BATCH_TOKENS): TextBatch {
  const lead = lists[0]![0]!;
  const longer = lists.flat().filter((length) => length > lead && fits(lead, length));
  const batches = [...new Set([lead, ...longer])].map((tokens) => batchOf(lists, tokens, limit));
  const runs = new Map(batches.map((batch) => [batch, tokensOf(lists, batch)]));
  return batches.reduce((a, b) => (runs.get(b)! > runs.get(a)! ? b : a));
}

const tokensOf = (lists: readonly (readonly number[])[], { parts }: TextBatch): number =>
  lists.reduce((sum, lengths, i) => {
    const { from, count } = parts[i]!;
    return lengths.slice(from, from + count).reduce((a, b) => a + b, sum);
  }, 0);

/** The texts that fit in rows of `tokens` tokens; the first list has precedence. */
function batchOf(lists: readonly (readonly number[])[], tokens: number, limit: number): TextBatch {
  let room = Math.max(1, Math.floor(limit / tokens));
  const parts = lists.map((lengths) => {
    const part = partOf(lengths, tokens, room);
    room -= part.count;
    return part;
  });
  const longest = lists.map((lengths, i) => (parts[i]!.count > 0 ? lengths[parts[i]!.from]! : 0));
  return { tokens: Math.max(...longest), parts };
}

/** The part of one list that fits, at most `room` texts. */
function partOf(lengths: readonly number[], tokens: number, room: number): Part {
  const from = lengths.findIndex((length) => length <= tokens);
  if (from < 0) return { from: 0, count: 0 };
  const end = lengths.findIndex((length, i) => i >= from && (i - from === room || !fits(length, tokens)));
  return { from, count: (end < 0 ? lengths.length : end) - from };
}

/**
 * The cost of each text in a batch: its own tokens, its row of attention, and an equal share of the fixed cost, which
 * is mostly weights.
 */
export function sharesOf(cost: Cost, lengths: readonly number[], tokens: number): Spent[] {
  const once = evalCost(cost, { batch: 0, tokens, kept: 0 });
  const others = 1 - 1 / lengths.length;
  return lengths.map((length) => {
    const alone = evalCost(cost, { batch: 1, tokens, kept: length });
    return { flops: alone.flops - once.flops * others, bytes: alone.bytes - once.bytes * others };
  });
}
