import type { Prompt } from "../../engine/decode/language-model.ts";
import type { Spent } from "../../graph/index.ts";
import type { Receipt } from "../../ledger/receipt.ts";
import type { SearchResult } from "../../retrieval/search.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import type { CallTerms, ModelPiece } from "../model.ts";

/** Tokens of a prompt, of which `cached` came from a cache, and of an answer. */
interface Lengths {
  readonly prompt: number;
  readonly cached: number;
  readonly completion: number;
}

/** A generative model as this pipeline sees it. `O`: the options of a request, passed on as they are. */
export interface AnswerModel<O extends object> {
  readonly name: string;
  readonly tokenizer: Tokenizer;
  /** Tokens. */
  readonly context: number;
  /** Tokens of a prompt as the model reads it. */
  count(prompt: Prompt): number;
  generate(prompt: Prompt, options: O & CallTerms): AsyncIterable<ModelPiece>;
  /** The dense cost. */
  price(lengths: Lengths): Spent;
}

/** An index as this pipeline sees it. */
export interface PassageSource {
  readonly name: string;
  search(query: string, top: number, terms: CallTerms): Promise<{ results: readonly SearchResult[]; receipt: Receipt }>;
  /** Indexed terms of its mean passage; 0 if it is empty. */
  meanTerms(): Promise<number>;
}
