import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { addAll } from "../../retrieval/add.ts";
import { ANALYSIS } from "../../retrieval/analysis.ts";
import { chunkOptions } from "../../retrieval/chunk.ts";
import { type SearchResult, search } from "../../retrieval/search.ts";
import { createStore } from "../../retrieval/store/open.ts";
import { seededRandom } from "../../util/random.ts";
import { LookupPrices } from "./bill.ts";
import {
  type Article,
  encyclopaedia,
  type LabelledText,
  noise,
  opinionLabels,
  rotated,
  shuffled,
  topics,
} from "./encyclopaedia.testing.ts";
import { type LabelsInput, parseLabels } from "./labels.ts";
import type { QZeroInput } from "./options.ts";
import { classify } from "./qzero.ts";
import { StaticScorer } from "./static.ts";
import { smallVectors } from "./vectors.testing.ts";

const WIDTH = 24;

/**
 * Word vectors: a topic's words are near its own direction, words of no topic are anywhere, and words of opinion lie on
 * one line.
 */
function topicVectors(seed: number): StaticScorer {
  const random = seededRandom(seed);
  const anywhere = () => Array.from({ length: WIDTH }, () => random() + random() + random() - 1.5);
  const near = (direction: readonly number[]) => {
    const other = anywhere();
    return direction.map((x, i) => x + other[i]!);
  };
  const rows: Record<string, readonly number[]> = {};
  for (const [label, , nouns] of topics) {
    const direction = anywhere();
    for (const word of [label, ...nouns.split(" ")]) rows[word] = near(direction);
  }
  const praise = anywhere();
  const blame = praise.map((x) => -x);
  for (const word of ["good", "wonderful", "delightful", "excellent", "superb", "brilliant"]) rows[word] = near(praise);
  for (const word of ["bad", "awful", "terrible", "dreadful", "horrible", "disappointing"]) rows[word] = near(blame);
  for (const word of noise) rows[word] ??= anywhere();
  return new StaticScorer("topics", smallVectors(rows));
}

const whole = encyclopaedia(1, 5);
const some = (texts: readonly LabelledText[]) => texts.filter((_, i) => i % 10 < 4);
const book = { ...whole, texts: some(whole.texts), opinions: some(whole.opinions).slice(0, 40) };
const scorer = topicVectors(2);
const home = mkdtempSync(path.join(tmpdir(), "modicum-encyclopaedia-"));
let [topical, opinionated]: SearchResult[][][] = [];

beforeAll(async () => {
  const settings = { analysis: ANALYSIS, embedding: null, chunks: chunkOptions.parse({}) };
  const store = await createStore(home, "book", settings);
  const documents = book.articles.map(({ id, title, text }) => ({ id, title, text, categories: [], metadata: {} }));
  await addAll(store, null, documents, undefined, () => {});
  const findIn = async (texts: readonly LabelledText[]) => {
    const all: SearchResult[][] = [];
    for (const { text } of texts) all.push((await search(store, text, "bm25", 50, undefined)).results);
    return all;
  };
  [topical, opinionated] = [await findIn(book.texts), await findIn(book.opinions)];
  await store.close();
});
afterAll(() => rmSync(home, { recursive: true }));

/** The share of all texts classified correctly, with the categories of `articles`. */
async function accuracy(
  texts: readonly LabelledText[],
  actual: readonly (readonly { id: string }[])[],
  options: QZeroInput,
  { articles = book.articles, labels = book.labels }: { articles?: readonly Article[]; labels?: LabelsInput } = {},
): Promise<number> {
  const byId = new Map(articles.map((article) => [article.id, article]));
  const set = parseLabels(labels);
  const input: QZeroInput = { when: "always", mode: "replace", keywords: "content", topK: 10, ...options };
  const { results } = await classify(
    scorer,
    texts.map(({ text }) => text),
    set,
    input,
    {
      ...{ explain: false, prices: new LookupPrices(), named: { model: "topics", recipe: [] } },
      source: {
        searched: false,
        find: async (place, { topK }) => ({ documents: actual[place]!.slice(0, topK).map(({ id }) => byId.get(id)!) }),
      },
    },
  );
  return results.filter(({ label }, i) => label === set.names[texts[i]!.label]).length / texts.length;
}

const nothing = (texts: readonly unknown[]) => texts.map(() => []);
const CHANCE = 1 / 20;
/** Three standard deviations of the accuracy by chance. */
const NOISE = 3 * Math.sqrt((CHANCE * (1 - CHANCE)) / book.texts.length);

describe("an encyclopaedia of 20 topics, classified by word vectors", () => {
  test("categories gain 20 points or more over the text alone, which carries no information", async () => {
    const plain = await accuracy(book.texts, nothing(book.texts), {});
    expect(plain).toBeLessThan(CHANCE + NOISE);
    expect(await accuracy(book.texts, topical!, {})).toBeGreaterThan(plain + 0.2);
    expect(await accuracy(book.texts, topical!, { mode: "append" })).toBeGreaterThan(plain + 0.2);
  });

  test("categories of other articles lose the whole gain: shuffled, of the next topic, or of random articles", async () => {
    const others = shuffled(book.articles, 3);
    expect(await accuracy(book.texts, topical!, {}, { articles: others })).toBeLessThan(CHANCE + NOISE);
    expect(await accuracy(book.texts, topical!, {}, { articles: rotated(book.articles, 50) })).toBeLessThan(CHANCE);
    const random = seededRandom(4);
    const any = () => book.articles[Math.floor(random() * book.articles.length)]!;
    const drawn = book.texts.map(() => Array.from({ length: 10 }, any));
    expect(await accuracy(book.texts, drawn, {})).toBeLessThan(CHANCE + NOISE);
  });

  test("more documents help at first, and then no longer", async () => {
    const of = async (topK: number) => accuracy(book.texts, topical!, { topK });
    const [one, ten, fifty] = [await of(1), await of(10), await of(50)];
    expect(ten).toBeGreaterThan(one + 0.05);
    expect(fifty).toBeLessThan(ten + 0.05);
  });

  test("categories do not help to separate praise from blame", async () => {
    const labels = { labels: opinionLabels };
    const plain = await accuracy(book.opinions, nothing(book.opinions), {}, labels);
    expect(plain).toBeGreaterThan(0.8);
    expect(await accuracy(book.opinions, opinionated!, {}, labels)).toBeLessThan(plain - 0.1);
  });
});

describe("one article per text, with the label's name as its only category", () => {
  const articles = book.texts.map(
    ({ label }, i): Article => ({
      ...{ id: `${i}`, title: "", text: "", topic: label },
      categories: [book.labels[label]!],
    }),
  );
  const own = articles.map(({ id }) => [{ id }]);

  test("every text is right", async () => {
    expect(await accuracy(book.texts, own, {}, { articles })).toBe(1);
  });

  test("categories shifted by one row are right only if the neighbour has the same label", async () => {
    const same = book.texts.filter(({ label }, i) => label === book.texts.at(i - 1)!.label).length / book.texts.length;
    expect(await accuracy(book.texts, own, {}, { articles: rotated(articles, 1) })).toBe(same);
  });

  test("texts without documents also count", async () => {
    const half = own.map((documents, i) => (i % 2 === 0 ? documents : []));
    const unknown = book.texts.map(({ label }, i) => ({ label, text: i % 2 === 0 ? "x" : "qqq" }));
    expect(await accuracy(unknown, half, {}, { articles })).toBe(0.5);
  });
});
