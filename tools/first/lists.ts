/**
 * Writes lists to train a reranker on: `npx tsx tools/first/lists.ts CRANFIELD OUT`. SQuAD's questions with their
 * passage and BM25's best others, and Cranfield's queries that are not held out, by their grades, ties by BM25.
 */
import { writeFileSync } from "node:fs";
import type { GenerationItem, RankingItem } from "../../src/lab/item.ts";
import type { ItemsFor } from "../../src/lab/task.ts";
import { findTask } from "../../src/lab/tasks/registry.ts";
import { countsOf, termsOf } from "../../src/retrieval/analysis.ts";
import { rankByBm25 } from "../../src/retrieval/bm25.ts";
import { type PostingBlock, PostingWriter } from "../../src/retrieval/postings.ts";
import { seededRandom, shuffle } from "../../src/util/random.ts";

/** Passages of a list. */
const SIZE = 10;
/** Cranfield's queries that the lab draws first with seed 0: they are judged on. */
const HELD_OUT = 75;

interface List {
  readonly query: string;
  readonly documents: readonly string[];
  readonly ranking: readonly number[];
}

const [folder = "", out = ""] = process.argv.slice(2);
const run: ItemsFor = { seed: 0, limit: undefined, countTokens: () => 0 };
const random = seededRandom(7);
const lists = [...(await squadLists()), ...(await cranfieldLists())];
writeFileSync(
  out,
  shuffle(lists, random)
    .map((list) => `${JSON.stringify(list)}\n`)
    .join(""),
);
process.stderr.write(`${lists.length} lists\n`);

/** A passage's question; the passage is the best, the others follow as BM25 has them. */
async function squadLists(): Promise<List[]> {
  const asked = await questions();
  const passages = [...new Set(asked.map(({ passage }) => passage))];
  const search = searcher(passages);
  return asked.map(({ question, passage }) => {
    const others = search(question, SIZE).filter((text) => text !== passage);
    return shuffled(question, [passage, ...others].slice(0, SIZE));
  });
}

async function questions(): Promise<{ passage: string; question: string }[]> {
  const found: { passage: string; question: string }[] = [];
  for await (const item of (await findTask("squad")).items(run)) {
    const { prompt } = item as GenerationItem;
    const [, passage, question] = /.*\nBackground: (.*?)\nQuestion: (.*?)\nAnswer:\s*$/s.exec(prompt) ?? [];
    if (passage === undefined || question === undefined) throw new Error(`no passage in ${prompt.slice(-500)}`);
    found.push({ passage: passage.split("\nBackground: ").at(-1)!, question });
  }
  return found;
}

async function cranfieldLists(): Promise<List[]> {
  const items: RankingItem[] = [];
  for await (const item of (await findTask(`cranfield:${folder},source=drop`)).items(run))
    items.push(item as RankingItem);
  const { documents } = items[0]!;
  const search = searcher(documents.map(({ text }) => text));
  const idOf = new Map(documents.map(({ id, text }) => [text, id]));
  return items.slice(HELD_OUT).flatMap(({ query, relevance }) => {
    const candidates = search(query, 4 * SIZE);
    const gain = (text: string) => relevance[idOf.get(text)!] ?? 0;
    const judged = candidates.filter((text) => gain(text) > 0);
    if (judged.length === 0) return [];
    const some = [...judged.slice(0, SIZE / 2), ...candidates.filter((text) => gain(text) === 0)].slice(0, SIZE);
    return [
      shuffled(
        query,
        some.toSorted((a, b) => gain(b) - gain(a)),
      ),
    ];
  });
}

/** A list whose documents are in random order. */
function shuffled(query: string, best: readonly string[]): List {
  const places = shuffle([...best.keys()], random);
  const documents = places.map((i) => best[i]!);
  return { query, documents, ranking: best.map((_, i) => places.indexOf(i)) };
}

/** Texts by BM25, the best first. */
export function searcher(texts: readonly string[]): (query: string, top: number) => string[] {
  const writer = new PostingWriter();
  let terms = 0;
  for (const [chunk, text] of texts.entries()) {
    const found = termsOf(text);
    writer.add(chunk, countsOf(found), found.length);
    terms += found.length;
  }
  const blobs = new Map<string, PostingBlock[]>();
  for (const blob of writer.blobs()) blobs.set(blob.term, [...(blobs.get(blob.term) ?? []), blob]);
  return (query, top) => {
    const asked = [...countsOf(termsOf(query))].map(([term, count]) => ({ count, blocks: blobs.get(term) ?? [] }));
    return rankByBm25(asked, { chunks: texts.length, terms }, top).hits.map(({ chunk }) => texts[chunk]!);
  };
}
