import { question, SYSTEM } from "../../src/engine/decode/listwise/prompt.ts";
import { oneLine } from "../../src/engine/decode/listwise/text.ts";
import { createIndex, load, openIndex, openReranker, type Ranker, type SearchIndex } from "../../src/index.ts";
import { byScore, repaired, written } from "../../src/pipelines/first/order.ts";
import { seededRandom, shuffle } from "../../src/util/random.ts";
import type { Collection, Query } from "./collections.ts";

/** Documents that a search finds, and that a reranker reorders unless it says otherwise. */
export const DEPTH = 20;
/** Documents that `first` reorders: one window of the shipped adapter. */
const WINDOW = 10;
/** The number of extra documents, in case sources are left out. */
const SPARE = 10;

export interface Ordered {
  readonly order: readonly string[];
  readonly gflops: number;
}

/** Orders documents for a query; `before` is the order of the earlier arm. */
export interface Arm extends AsyncDisposable {
  rank(query: Query, before: readonly string[]): Promise<Ordered>;
}

const searches: Readonly<
  Record<string, { readonly embedding: string; readonly by: Ranker; readonly prompt?: string }>
> = {
  bm25: { embedding: "bge-small", by: "bm25" },
  minilm: { embedding: "minilm", by: "dense" },
  "minilm+bm25": { embedding: "minilm", by: "hybrid" },
  "bge-small": { embedding: "bge-small", by: "dense" },
  "bge-small+prompt": {
    ...{ embedding: "bge-small", by: "dense" },
    prompt: "Represent this sentence for searching relevant passages: ",
  },
  "bge-small+bm25": { embedding: "bge-small", by: "hybrid" },
};

/** Opens an arm by the last part of its name. Indexes lie in `store`. */
export async function openArm(name: string, collection: Collection, store: string): Promise<Arm> {
  const searched = searches[name];
  if (searched) return bySearch(collection, store, searched);
  const own = name.slice(name.lastIndexOf(">") + 1);
  switch (own) {
    case "shuffled":
      return shuffled(WINDOW);
    case "random":
      return shuffled(DEPTH);
    case "minilm":
    case "ms-marco":
    case "colbert-small":
      return byRelevance(own, collection);
    case "first":
      return byLetters("smollm2+first@presort=none,rankEnd=10", WINDOW, collection);
    case "qwen":
      return byWriting("qwen2.5-coder-1.5b", collection);
    default:
      throw new Error(`no arm is called ${own}`);
  }
}

/** The control: the same documents in random order. */
const shuffled = (depth: number): Arm => ({
  rank: async ({ id }, before) => ({
    order: shuffle(before.slice(0, depth), seededRandom(Number(id))),
    gflops: 0,
  }),
  async [Symbol.asyncDispose]() {},
});

async function bySearch(
  collection: Collection,
  store: string,
  { embedding, by, prompt = "" }: (typeof searches)[string],
): Promise<Arm> {
  const index = await indexOf(collection, embedding, store);
  return {
    async rank({ text, sources }) {
      const { results, receipt } = await index.search(prompt + text, { by, top: DEPTH + SPARE });
      const order = results.map(({ id }) => id).filter((id) => !sources.has(id));
      return { order: order.slice(0, DEPTH), ...costOf(receipt) };
    },
    [Symbol.asyncDispose]: () => index.close(),
  };
}

/** The index of a collection; documents that are there already are not embedded again. */
async function indexOf({ name, documents }: Collection, embedding: string, store: string): Promise<SearchIndex> {
  const own = `${name}-${embedding}`;
  const index = await openIndex(own, { store }).catch(() => createIndex(own, { store, embedding }));
  const onBatch = ({ added }: { added: number }) => process.stderr.write(`${own}: ${added} more documents\n`);
  await index.add(
    documents.map(({ id, text }) => ({ id, text })),
    { onBatch },
  );
  return index;
}

async function byRelevance(name: string, collection: Collection): Promise<Arm> {
  const [model, textOf] = [await load(name), texts(collection)];
  return {
    async rank({ text }, before) {
      const { scores, receipt } = await model.relevance(text, before.map(textOf), { truncate: true });
      return { order: byScore(scores).map((i) => before[i]!), ...costOf(receipt) };
    },
    [Symbol.asyncDispose]: async () => model.dispose(),
  };
}

async function byLetters(name: string, depth: number, collection: Collection): Promise<Arm> {
  const [ranker, textOf] = [await openReranker(name), texts(collection)];
  return {
    async rank({ text }, before) {
      const read = before.slice(0, depth);
      const { order, receipt } = await ranker.rerank(text, read.map(textOf));
      return { order: order.map((i) => read[i]!), ...costOf(receipt) };
    },
    [Symbol.asyncDispose]: async () => ranker.dispose(),
  };
}

/** Words of a document that a written ranking reads. */
const WORDS = 24;
/** Tokens of a ranking of 20 letters. */
const ANSWER = 140;

/**
 * A window whose whole ranking the model writes: Qwen's tokenizer joins a bracket with its letter, so that `first` cannot
 * rank by letters alone.
 */
async function byWriting(name: string, collection: Collection): Promise<Arm> {
  const [model, textOf] = [await load(name), texts(collection)];
  return {
    async rank({ text }, before) {
      const passages = before.map((id) => oneLine(textOf(id), WORDS));
      const turns = [
        { role: "system" as const, content: SYSTEM },
        { role: "user" as const, content: question(oneLine(text), passages) },
      ];
      const { text: answer, receipt } = await model.complete(turns, { maxTokens: ANSWER, temperature: 0 });
      return { order: repaired(written(answer), before.length).map((i) => before[i]!), ...costOf(receipt) };
    },
    [Symbol.asyncDispose]: async () => model.dispose(),
  };
}

function texts({ documents }: Collection): (id: string) => string {
  const byId = new Map(documents.map(({ id, text }) => [id, text]));
  return (id) => byId.get(id)!;
}

const costOf = ({ flops }: { readonly flops: { readonly spent: number } }) => ({
  gflops: Math.round(flops.spent / 1e6) / 1e3,
});
