import type { Ladder } from "../../savings/auto/ladder.ts";
import type { Bound, LossType } from "../../util/risk/losses.ts";

/** A recipe that a tuning run may choose. */
export interface Candidate {
  /** The recipe's savings as text; candidates with equal texts are equal. */
  readonly recipe: string;
  /** Settings of a family go from mild to bold: if one loses too much, the bolder ones are dropped with it. */
  readonly family: string;
  readonly boldness: number;
}

/** The fields of an item that tuning uses. */
export interface TuningItem {
  readonly id: string;
  /** A hash shared by the items of a group; equal prompts form one group. */
  readonly group: string;
  /** Tokens of the prompt. */
  readonly tokens: number;
}

/** Everything that determines a tuning run's result, besides the answers. */
export interface Problem<T extends TuningItem = TuningItem> {
  readonly items: readonly T[];
  readonly candidates: readonly Candidate[];
  /** Combines two candidates; undefined if they change the same place in the model. */
  union?(a: Candidate, b: Candidate): Candidate | undefined;
  /** The type of one item's loss, by its definition. */
  readonly type: LossType;
  /** The bound, with the confidence for this attempt. */
  readonly bound: Bound;
}

/** The cost of an answer to an item under a recipe, in the unit to save. */
export type Price = (item: TuningItem) => number;

/** Answers items under recipes, each once. */
export interface Answers<T extends TuningItem = TuningItem> {
  /** The loss of the recipe's answer against dense's; NaN if there is no answer. */
  lossOf(recipe: string, item: T): Promise<number>;
  /** Answers an item under several recipes at once, if that is cheaper than one by one. */
  answer?(recipes: readonly string[], item: T): Promise<void>;
  /**
   * Announces the next items, in order, and their recipes, to an engine that answers several at once. Earlier
   * announcements that are not repeated are cancelled.
   */
  announce?(items: readonly T[], recipesOf: (item: T) => readonly string[]): void;
  /** Prices of the recipes, in order, measured alternately with dense. */
  pricesOf(recipes: readonly string[]): Promise<readonly Price[]>;
  /** True if the ladder of recipes with known prices is cheaper than dense beyond the measurement noise. */
  isCheaper(ladder: Ladder): boolean;
}
