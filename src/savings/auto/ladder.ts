/** Prompt lengths in tokens, both ends included; `to` is null if there is no upper end. */
export type Range = readonly [from: number, to: number | null];

/** The recipes that may answer prompts of some lengths, each as text, `dense` among them. */
export interface Rungs {
  readonly tokens: Range;
  readonly rungs: readonly string[];
}

/**
 * The recipes that a certificate allows, by the length of the prompt. The loss of an item is the largest of the rungs at its
 * length, so a bound on the mean holds for whatever picks among them.
 */
export type Ladder = readonly Rungs[];

/** The recipes that may answer a prompt of `tokens` tokens; none if the ladder does not reach so far. */
export const rungsAt = (ladder: Ladder, tokens: number): readonly string[] =>
  ladder.find(({ tokens: range }) => covers(range, tokens))?.rungs ?? [];

export const covers = ([from, to]: Range, tokens: number): boolean => tokens >= from && (to === null || tokens <= to);

/** The recipe that saves at a length; dense if none may. */
export const savingAt = (ladder: Ladder, tokens: number): string => savingOf(rungsAt(ladder, tokens));

export const savingOf = (rungs: readonly string[]): string => rungs.find((rung) => rung !== "dense") ?? "dense";

/** Every recipe of the ladder, once, without dense. */
export const recipesOf = (ladder: Ladder): readonly string[] => [
  ...new Set(ladder.flatMap(({ rungs }) => rungs.filter((rung) => rung !== "dense"))),
];
