import { priceOfLengths, priceOfSteps } from "../../engine/decode/dense-price.ts";
import type { Format } from "../../engine/decode/grammar/index.ts";
import type { Spent } from "../../graph/index.ts";
import type { Recipe } from "../../savings/recipe.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import type { CallTerms, ModelPiece } from "../model.ts";
import type { TurnTerms } from "../request.ts";
import type { HeldModel, Relevance } from "../resources.ts";

/** Options of one window's answer. */
export interface RankTerms extends TurnTerms, Pick<CallTerms, "observe"> {
  readonly maxTokens: number;
  readonly temperature: 0;
  readonly format?: Format | undefined;
}

/** A generative model as a reranker sees it. */
export interface RankModel {
  readonly name: string;
  readonly tokenizer: Tokenizer;
  /** The context length in tokens. */
  readonly context: number;
  generate(prompt: readonly number[], terms: RankTerms): AsyncIterable<ModelPiece>;
  /** The dense cost of `steps` decode steps after `past` tokens. */
  priceSteps(past: number, steps: number): Spent;
  /** The dense cost of a prompt of this many tokens and of the first token after it. */
  pricePrompt(tokens: number): Spent;
}

/** A loaded model as a reranker sees it, run with a recipe. @throws UserError if it does not generate text */
export function rankModelOf(model: HeldModel, save?: Recipe): RankModel {
  const { name, language } = model;
  return {
    name,
    tokenizer: language.tokenizer,
    context: language.decoder.config.context,
    generate: (prompt, terms) => model.generate(prompt, { ...terms, save }),
    pricePrompt: (prompt) => priceOfLengths(language, { prompt, cached: 0, completion: 1 }),
    priceSteps: (past, steps) => priceOfSteps(language, past, steps),
  };
}

/** An encoder that presorts a list by scoring its texts against the query. */
export interface Presorter {
  relevance(query: string, texts: readonly string[], terms: TurnTerms): Promise<Relevance>;
}
