/** Times of one model and form, in decode steps of the model; arrays are by the number of drafts, from one on. */
export interface DraftTimes {
  /** A check of the drafts behind one token, to the bit. */
  readonly check: readonly number[];
  /** The same check in pieces: a program a layer, and one more for each token's attention. */
  readonly pieces: readonly number[];
  /** The same tokens in a prompt's form. */
  readonly whole: readonly number[];
  /** A step of the draft. */
  readonly draft: number;
  /** The draft over three tokens that a check has confirmed. */
  readonly follow: number;
}

/** The probability that a draft behind right ones is right, of every step or step by step; none: it is never right. */
export type Acceptance = number | readonly number[];

/** Tokens of a round: the drafts that are right before the first wrong one, and the model's own token behind them. */
export function tokensOf(acceptance: Acceptance, drafts: number): number {
  let [right, sum] = [1, 1];
  for (let step = 0; step < drafts; step++) {
    right *= typeof acceptance === "number" ? acceptance : (acceptance[step] ?? 0);
    sum += right;
  }
  return sum;
}

/**
 * Times as fast as decode steps. Of a round's passes of the draft, the first reads the tokens that the last check has
 * confirmed.
 */
export function gainOf({ draft, follow, check }: DraftTimes, acceptance: Acceptance, drafts: number): number {
  const round = follow + (drafts - 1) * draft + check[drafts - 1]!;
  return tokensOf(acceptance, drafts) / round;
}

/** The number of drafts that gains most, and what it gains. */
export function bestOf(times: DraftTimes, acceptance: Acceptance): { readonly drafts: number; readonly gain: number } {
  const all = times.check.map((_, i) => ({ drafts: i + 1, gain: gainOf(times, acceptance, i + 1) }));
  return all.reduce((best, each) => (each.gain > best.gain ? each : best));
}

/** The least acceptance, in hundredths, with which a draft gains so much; undefined: not even one that is always right does. */
export const neededFor = (times: DraftTimes, goal: number): number | undefined =>
  Array.from({ length: 101 }, (_, i) => i / 100).find((acceptance) => bestOf(times, acceptance).gain >= goal);
