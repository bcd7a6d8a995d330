import type { Format } from "../../engine/decode/grammar/index.ts";
import type { Spent } from "../../graph/index.ts";
import type { Receipt } from "../../ledger/receipt.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import type { CallTerms, ModelPiece } from "../model.ts";

/** The conditions under which the calls of one reranking run. */
export interface TurnTerms extends Pick<CallTerms, "signal" | "onStopped"> {
  /** The owner, if the models are scheduled. */
  readonly key?: string | undefined;
  /** When a server took the request, on the clock of `performance.now()`. */
  readonly arrived?: number | undefined;
  /** A time of `performance.now()`, if the models are scheduled. */
  readonly deadline?: number | undefined;
  /** Called when a call's turn comes. */
  readonly onBegun?: (() => void) | undefined;
}

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
  /** Tokens. */
  readonly context: number;
  generate(prompt: readonly number[], terms: RankTerms): AsyncIterable<ModelPiece>;
  /** The dense cost of `steps` decode steps after `past` tokens. */
  priceSteps(past: number, steps: number): Spent;
  /** The dense cost of a prompt of so many tokens and its first token. */
  pricePrompt(tokens: number): Spent;
}

/** An encoder that scores texts against a query, to order a list first. */
export interface Presorter {
  relevance(
    query: string,
    texts: readonly string[],
    terms: TurnTerms,
  ): Promise<{ scores: readonly number[]; receipt: Receipt }>;
}
