/** Prompt lengths in tokens, both ends included; `to` is null if there is no upper limit. */
export type Range = readonly [from: number, to: number | null];

/** The recipes allowed for some prompt lengths, as text, including `dense`. */
export interface Rungs {
  readonly tokens: Range;
  readonly rungs: readonly string[];
}

/**
 * The recipes that a certificate allows, by prompt length. An item's loss is the largest among the rungs at its length, so a
 * bound on the mean holds for any choice among them.
 */
export type Ladder = readonly Rungs[];

/** The allowed recipes for a prompt of `tokens` tokens; empty beyond the ladder. */
export const rungsAt = (ladder: Ladder, tokens: number): readonly string[] =>
  ladder.find(({ tokens: range }) => covers(range, tokens))?.rungs ?? [];

export const covers = ([from, to]: Range, tokens: number): boolean => tokens >= from && (to === null || tokens <= to);

/** The recipe other than dense that is allowed at a length; dense if no other recipe is. */
export const savingAt = (ladder: Ladder, tokens: number): string => savingOf(rungsAt(ladder, tokens));

export const savingOf = (rungs: readonly string[]): string => rungs.find((rung) => rung !== "dense") ?? "dense";

/** Every recipe of the ladder once, without dense. */
export const recipesOf = (ladder: Ladder): readonly string[] => [
  ...new Set(ladder.flatMap(({ rungs }) => rungs.filter((rung) => rung !== "dense"))),
];
