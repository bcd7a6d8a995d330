import { lettersOf } from "../../engine/decode/listwise/letters.ts";
import { makeReceipt, type Receipt } from "../../ledger/receipt.ts";
import { openGguf } from "../../weights/gguf/index.ts";
import { resolveModel } from "../../weights/sources/index.ts";
import { fromGguf, Tokenizer } from "../../weights/tokenizer/index.ts";
import type { RankModel, RankTerms } from "./model.ts";

export const smollm2Tokenizer = async (): Promise<Tokenizer> =>
  new Tokenizer(fromGguf(openGguf((await resolveModel("smollm2")).path).metadata));

export interface FakeModel extends RankModel {
  /** The texts of all prompts that ran. */
  readonly prompts: string[];
  readonly terms: RankTerms[];
}

/** A model whose logit for each letter is the `score` of that letter's passage; it bills one FLOP per token. */
export function fakeModel(tokenizer: Tokenizer, score: (passage: string) => number): FakeModel {
  const letters = lettersOf(tokenizer, 26);
  const prompts: string[] = [];
  const all: RankTerms[] = [];
  return {
    ...{ name: "fake", tokenizer, context: 8192, prompts, terms: all },
    async *generate(prompt, terms) {
      terms.signal?.throwIfAborted();
      const text = tokenizer.decode(prompt);
      prompts.push(text);
      all.push(terms);
      const logits = new Float32Array(tokenizer.vocabSize);
      const passages = Array.from(text.matchAll(/^\[([A-Z])\] (.*)$/gm), ([, , passage]) => passage!);
      for (const [place, passage] of passages.entries()) logits[letters[place]![0]!] = score(passage);
      terms.observe?.(logits);
      yield { text: "", tokens: [], finishReason: "length", receipt: receiptOf(prompt.length) };
    },
    priceSteps: (_, steps) => ({ flops: steps, bytes: 0 }),
    pricePrompt: (tokens) => ({ flops: tokens, bytes: 0 }),
  };
}

export const receiptOf = (prompt: number, model = "fake"): Receipt =>
  makeReceipt({
    ...{ model, recipe: [], estimated: false },
    tokens: { prompt, cached: 0, completion: 1 },
    flops: { dense: prompt, spent: prompt, overhead: 0 },
    bytes: { dense: 0, spent: 0 },
    ms: { queue: 0, load: 0, encode: 0, prefill: 1, decode: 0 },
  });
