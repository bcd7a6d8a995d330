/** The rule for choosing spans to hide: their share of the tokens, and their mean length. */
export interface SpanRule {
  readonly rate: number;
  readonly meanSpan: number;
  /**
   * True to rotate the mask by a random offset; otherwise the first token is never hidden and the last token always is.
   */
  readonly roll: boolean;
}

/** The numbers of hidden tokens and of hidden spans among `length` ≥ 2 tokens. Halves are rounded up. */
export function spanCounts(length: number, { rate, meanSpan }: SpanRule): { hidden: number; spans: number } {
  const hidden = Math.min(Math.max(Math.round(length * rate), 1), length - 1);
  const spans = Math.min(Math.max(Math.round(hidden / meanSpan), 1), hidden, length - hidden);
  return { hidden, spans };
}

/** The maximum number of hidden runs: one more than the spans if rotation may split one of them in two. */
export const mostRuns = (length: number, rule: SpanRule): number => spanCounts(length, rule).spans + Number(rule.roll);

/**
 * Draws a mask, 1 for hidden tokens: visible and hidden spans of random lengths alternate (T5, Raffel et al. 2020,
 * section 3.1.4, and `random_spans_noise_mask` in its code). `length` is at least 2.
 */
export function spanMask(length: number, rule: SpanRule, random: () => number): Uint8Array {
  const { hidden, spans } = spanCounts(length, rule);
  const gaps = randomComposition(length - hidden, spans, random);
  const mask = new Uint8Array(length);
  let at = 0;
  for (const [i, size] of randomComposition(hidden, spans, random).entries()) {
    at += gaps[i]!;
    mask.fill(1, at, at + size);
    at += size;
  }
  return rule.roll ? rotated(mask, Math.floor(random() * length)) : mask;
}

/** Splits `sum` into `parts` positive integers, all compositions equally likely. */
export function randomComposition(sum: number, parts: number, random: () => number): number[] {
  const cuts = [0, ...drawn(sum - 1, parts - 1, random).map((gap) => gap + 1), sum];
  return Array.from({ length: parts }, (_, i) => cuts[i + 1]! - cuts[i]!);
}

/** Draws `count` distinct numbers less than `below`, in ascending order. */
function drawn(below: number, count: number, random: () => number): number[] {
  const taken: number[] = [];
  for (let i = 0; i < below && taken.length < count; i++)
    if (random() * (below - i) < count - taken.length) taken.push(i);
  return taken;
}

const rotated = (mask: Uint8Array, by: number): Uint8Array =>
  Uint8Array.from(mask, (_, i) => mask[(i + by) % mask.length]!);
