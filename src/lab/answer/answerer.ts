import type { Recipe } from "../../savings/recipe.ts";
import type { Answer, Item } from "../item.ts";
import type { Result } from "../results.ts";

/** An item's answer, and what it took beside what dense would have taken. */
export interface Answered {
  readonly answer: Answer;
  readonly flops: Result["flops"];
  readonly bytes: NonNullable<Result["bytes"]>;
  /** Tokens of the prompt that are in the bill, and had been computed for an item before it. */
  readonly shared?: number;
}

/** Where a prompt that is longer than the context is cut: its beginning, or its middle. */
export const truncations = ["left", "middle"] as const;
export type Truncation = (typeof truncations)[number];

/** Answers an item, once. Its answer and its bill are those of a model that has answered nothing before. */
export type Plan = (signal?: AbortSignal) => Promise<Answered>;

/** A loaded model. Whatever answers items under its recipes shares its weights. */
export interface Answering extends Disposable {
  /** Answers items under a recipe until it is disposed of; it begins as a model that has answered nothing. @throws UserError if the recipe cannot act in the model */
  under(recipe: Recipe): Promise<Answerer>;
}

/** What answers items with a model under one recipe. */
export interface Answerer extends Disposable {
  /** Tokens of a text as a prompt, with one that begins it where the model has such. */
  countTokens(text: string): number;
  /** How an item will be answered; undefined when its prompt is longer than the context. @throws UserError for a kind that the model cannot answer, or not under the recipe */
  plan(item: Item): Plan | undefined;
  /** Computes what the item shares with others of its list, once, so that its own time is without that; absent where nothing is shared. */
  prepare?(item: Item, signal?: AbortSignal): Promise<void>;
  /** How many texts of the items are read without their ends, since they are longer than the model was made for; absent where that cannot be. */
  cutTexts?(items: readonly Item[]): number;
  /** Answers items that fit, generating side by side; absent where a model cannot. An answer may differ from the item's own plan's in near ties. */
  together?(items: readonly Item[], signal?: AbortSignal): Promise<Answered[]>;
}
