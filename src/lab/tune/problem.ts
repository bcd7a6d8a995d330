import type { Ladder } from "../../savings/auto/ladder.ts";
import type { Bound, LossType } from "../../util/risk/losses.ts";

/** A recipe that a tuning may choose. */
export interface Candidate {
  /** Its savings as text; two candidates with one text are the same. */
  readonly recipe: string;
  /** Settings of one family go from mild to bold: one that loses too much takes the bolder ones with it. */
  readonly family: string;
  readonly boldness: number;
}

/** An item as a tuning sees it. */
export interface TuningItem {
  readonly id: string;
  /** A hash of what the items of one group share; equal prompts are one group. */
  readonly group: string;
  /** Tokens of the prompt. */
  readonly tokens: number;
}

/** Everything that a tuning's result follows from, besides the answers. */
export interface Problem<T extends TuningItem = TuningItem> {
  readonly items: readonly T[];
  readonly candidates: readonly Candidate[];
  /** Both at once; undefined if they take the same place in the model. */
  union?(a: Candidate, b: Candidate): Candidate | undefined;
  /** The type of one item's loss, by its definition. */
  readonly type: LossType;
  /** With the confidence of this attempt. */
  readonly bound: Bound;
}

/** The cost of an answer to an item under a recipe, in the unit that is saved. */
export type Price = (item: TuningItem) => number;

/** Answers items under recipes; whatever was answered once is remembered. */
export interface Answers<T extends TuningItem = TuningItem> {
  /** The loss of the recipe's answer against dense's; NaN if it has none. */
  lossOf(recipe: string, item: T): Promise<number>;
  /** Answers an item under several recipes, for whom that is cheaper than one by one. */
  answer?(recipes: readonly string[], item: T): Promise<void>;
  /**
   * Says which items are answered next, in this order, and under which recipes, to whom answers several at once. What was
   * announced before and is not again is called off.
   */
  announce?(items: readonly T[], recipesOf: (item: T) => readonly string[]): void;
  /** Prices of the recipes, in their order, measured in turns with dense. */
  pricesOf(recipes: readonly string[]): Promise<readonly Price[]>;
  /** True if the ladder of recipes with known prices is cheaper than dense beyond the noise of the measurement. */
  isCheaper(ladder: Ladder): boolean;
}
