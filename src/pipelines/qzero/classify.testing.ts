import { WordMeans } from "../../engine/encoders/text/word-means.ts";
import { makeReceipt } from "../../ledger/receipt.ts";
import type { WordVectors } from "../../weights/vectors/word-vectors.ts";
import type { EncodingModel } from "../labelling.ts";
import { LookupPrices } from "./bill.ts";
import { type LabelsInput, parseLabels } from "./labels.ts";
import type { QZeroInput } from "./options.ts";
import { type ClassifyTerms, classify, type DocumentSource } from "./qzero.ts";
import type { Scorer } from "./scorer.ts";

/** One document for each of these lists of categories. */
export const documentsWith = (...categories: readonly (readonly string[])[]) =>
  categories.map((each, i) => ({ id: `d${i}`, title: "", categories: each }));

/** Finds one document with the text's categories in `all`; a search costs 1,000 FLOPs. */
export const found = (texts: readonly string[], all: Readonly<Record<string, readonly string[]>>): DocumentSource => ({
  searched: true,
  find: async (place, { topK }) => ({
    documents: documentsWith(...(all[texts[place]!] ? [all[texts[place]!]!] : [])).slice(0, topK),
    receipt: receiptOf("bm25", 1000, 0),
  }),
});

/** Classifies texts with fixed categories for each text. */
export function classified(
  scorer: Scorer,
  categories: Readonly<Record<string, readonly string[]>>,
  options: QZeroInput = {},
  { labels = ["sports", "finance"], ...terms }: Partial<ClassifyTerms> & { labels?: LabelsInput } = {},
) {
  const texts = Object.keys(categories);
  return classify(scorer, texts, parseLabels(labels), options, {
    ...{ explain: true, prices: new LookupPrices(), source: found(texts, categories) },
    named: { model: "small", recipe: ["qzero"] },
    ...terms,
  });
}

/** An encoder that averages word vectors. Each word is a token and costs 10 FLOPs; texts have at most 20 tokens. */
export function fakeEncoder(vectors: WordVectors): EncodingModel & { readonly read: string[] } {
  const means = new WordMeans(vectors);
  const read: string[] = [];
  const tokensOf = (text: string) => text.split(" ").filter((word) => word !== "").length;
  return {
    read,
    encoder: { tokensOf, room: () => 20 },
    async embed(texts, terms) {
      terms.signal?.throwIfAborted();
      terms.onBegun?.();
      read.push(...texts);
      const { answers } = await means.embed(texts);
      const tokens = texts.reduce((sum, text) => sum + tokensOf(text), 0);
      return { embeddings: answers, receipt: receiptOf("fake", 10 * tokens, tokens) };
    },
  };
}

const receiptOf = (model: string, flops: number, prompt: number) =>
  makeReceipt({
    ...{ model, recipe: [], estimated: false },
    tokens: { prompt, cached: 0, completion: 0 },
    flops: { dense: flops, spent: flops, overhead: 0 },
    bytes: { dense: 0, spent: 0 },
    ms: { queue: 0, load: 0, encode: 0, prefill: 1, decode: 0 },
  });
