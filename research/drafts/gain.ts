/** Times of one model and form, in units of its decode step; arrays are indexed by the number of drafts, from one. */
export interface DraftTimes {
  /** A bit-exact check of the drafts after one token. */
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

/** The probability that a draft is right if all before it are: one for all steps, or one per step. */
export type Acceptance = number | readonly number[];

/** The mean number of tokens per round: the right drafts before the first wrong one, and the model's own next token. */
export function tokensOf(acceptance: Acceptance, drafts: number): number {
  let [right, sum] = [1, 1];
  for (let step = 0; step < drafts; step++) {
    right *= typeof acceptance === "number" ? acceptance : (acceptance[step] ?? 0);
    sum += right;
  }
  return sum;
}

/** The speed-up over decode steps. A round's first draft pass reads the tokens that the last check confirmed. */
export function gainOf({ draft, follow, check }: DraftTimes, acceptance: Acceptance, drafts: number): number {
  const round = follow + (drafts - 1) * draft + check[drafts - 1]!;
  return tokensOf(acceptance, drafts) / round;
}

/** The number of drafts with the greatest gain, and that gain. */
export function bestOf(times: DraftTimes, acceptance: Acceptance): { readonly drafts: number; readonly gain: number } {
  const all = times.check.map((_, i) => ({ drafts: i + 1, gain: gainOf(times, acceptance, i + 1) }));
  return all.reduce((best, each) => (each.gain > best.gain ? each : best));
}

/** The lowest acceptance, in hundredths, that reaches a gain; undefined if even a perfect draft does not. */
export const neededFor = (times: DraftTimes, goal: number): number | undefined =>
  Array.from({ length: 101 }, (_, i) => i / 100).find((acceptance) => bestOf(times, acceptance).gain >= goal);
