import type { Prompt } from "../../engine/decode/language-model.ts";
import type { Recipe } from "../../savings/recipe.ts";
import type { PromptForm } from "../../weights/tokenizer/index.ts";
import type { Answer, Item } from "../item.ts";
import type { Result } from "../results.ts";
import type { TokenCodec } from "../task.ts";

/** An item's answer, its cost, and the dense run's cost. */
export interface Reply {
  readonly answer: Answer;
  readonly flops: Result["flops"];
  readonly bytes: NonNullable<Result["bytes"]>;
  /** Counters that the recipe changed, as in a receipt. */
  readonly work?: Result["work"];
  /** Tokens of the prompt that are billed, but were computed for an earlier item. */
  readonly shared?: number;
}

/** The place to cut a prompt longer than the context: at its beginning, or in its middle. */
export const truncations = ["left", "middle"] as const;
export type Truncation = (typeof truncations)[number];

/** Answers an item once. The answer and bill do not depend on earlier answers. */
export type Plan = (signal?: AbortSignal) => Promise<Reply>;

/** A loaded model. All answerers under its recipes share its weights. */
export interface Answering extends Disposable {
  /** Returns an answerer that starts like a fresh model. @throws UserError if the model does not support the recipe */
  under(recipe: Recipe): Promise<Answerer>;
}

/** Answers items with a model under one recipe. */
export interface Answerer extends Disposable {
  /** Counts the tokens of a text as a prompt, including the model's start token, if any. */
  countTokens(text: string): number;
  /** Absent unless the model is a decoder. */
  readonly tokenizer?: TokenCodec;
  /** The default prompt format for a user's text or turns; absent unless the model is a decoder. */
  formOf?(prompt: Prompt): PromptForm | undefined;
  /**
   * Plans an item's answer; undefined if its prompt is longer than the context.
   * @throws UserError if the model cannot answer items of this kind under the recipe
   */
  plan(item: Item): Plan | undefined;
  /** Does the work that an item shares with other items in its list, once and untimed; absent if nothing is shared. */
  prepare?(item: Item, signal?: AbortSignal): Promise<void>;
  /** Counts texts that are cut because they exceed the model's context; absent if the model never cuts texts. */
  cutTexts?(items: readonly Item[]): number;
  /**
   * Answers items that fit, as one batch; absent if the model cannot batch. Near ties may resolve differently than for
   * single items.
   */
  together?(items: readonly Item[], signal?: AbortSignal): Promise<Reply[]>;
}
