import { makeReceipt, type Receipt } from "../../ledger/receipt.ts";
import type { SearchResult } from "../../retrieval/search.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import type { ModelPiece } from "../model.ts";
import type { AnswerModel, PassageSource } from "./model.ts";

export interface FakeModel extends AnswerModel {
  /** The texts of all prompts that ran. */
  readonly prompts: string[];
}

/** A receipt with one FLOP per token of the prompt and of the answer. */
const receiptOf = (prompt: number, completion: number, model = "fake", dense = prompt + completion): Receipt =>
  makeReceipt({
    ...{ model, recipe: [], estimated: false },
    tokens: { prompt, cached: 0, completion },
    flops: { dense, spent: prompt + completion, overhead: 0 },
    bytes: { dense: 0, spent: 0 },
    ms: { queue: 0, load: 0, encode: 0, prefill: 1, decode: 1 },
  });

interface Behaviour {
  /** Logits of the first token of a prompt's answer. */
  readonly logits?: (prompt: string) => readonly number[];
  readonly context?: number;
  /** The answer to a prompt with passages. */
  readonly read?: string;
}

/** A model that answers `read` if its prompt has passages and "own" otherwise, in two pieces. */
export function fakeModel(
  tokenizer: Tokenizer,
  { logits = () => [1, 0], context = 8192, read = "read" }: Behaviour = {},
): FakeModel {
  const prompts: string[] = [];
  const written = (prompt: unknown) => JSON.stringify(prompt);
  const count = (prompt: unknown) => tokenizer.encode(written(prompt)).length;
  return {
    ...{ name: "fake", tokenizer, context, prompts, count },
    async *generate(prompt, { observe, onStopped, signal }): AsyncGenerator<ModelPiece> {
      const text = written(prompt);
      prompts.push(text);
      const [length, answer] = [count(prompt), text.includes("[1]") ? read : "own"];
      let ended = false;
      try {
        observe?.(Float32Array.from(logits(text)));
        yield { text: answer.slice(0, 1), tokens: [] };
        signal?.throwIfAborted();
        ended = true;
        yield { text: answer.slice(1), tokens: [], finishReason: "stop", receipt: receiptOf(length, 2) };
      } finally {
        if (!ended) onStopped?.(receiptOf(length, 1));
      }
    },
    price: ({ prompt, cached, completion }) => ({ flops: prompt - cached + completion, bytes: 0 }),
  };
}

export const document = (id: string, text: string): SearchResult => ({
  ...{ id, title: id, text, score: 1, categories: [], metadata: {} },
});

/** Finds the same documents for every query; each search is 5 FLOPs. */
export function fakeSource(documents: readonly SearchResult[]): PassageSource & { readonly queries: string[] } {
  const queries: string[] = [];
  return {
    queries,
    async search(query, { top }) {
      queries.push(query);
      return { results: documents.slice(0, top), receipt: receiptOf(0, 5, "bm25") };
    },
    meanTerms: async () => 10,
  };
}
