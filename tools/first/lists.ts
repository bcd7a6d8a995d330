/**
 * Writes lists to train a reranker on: `npx tsx tools/first/lists.ts CRANFIELD OUT [SIZE [WORDS]]`. SQuAD's questions with the
 * excerpt that has the answer and others from BM25's ranking, and Cranfield's queries that are not held out, by their
 * grades, ties by BM25.
 */
import { writeFileSync } from "node:fs";
import type { ItemsFor } from "../../src/lab/task.ts";
import { seededRandom, shuffle } from "../../src/util/random.ts";
import { cranfieldQueries } from "./cranfield-queries.ts";
import { searcher } from "./searcher.ts";
import { excerptsOf, squadQuestions } from "./squad.ts";

const [folder = "", out = "", size = "10", words = "36"] = process.argv.slice(2);
/** Passages of a list, and words of a passage. */
const [SIZE, WORDS] = [Number(size), Number(words)];
/** The most of BM25's passages that a list may go down to. */
const DEEPEST = 256;

interface List {
  readonly query: string;
  readonly documents: readonly string[];
  readonly ranking: readonly number[];
}

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

/** A question; the excerpt with its answer is the best, the others follow as BM25 has them. */
async function squadLists(): Promise<List[]> {
  const asked = await squadQuestions(run);
  const excerpts = [...new Set(asked.flatMap(({ passage }) => excerptsOf(passage, WORDS)))];
  const search = searcher(excerpts);
  return asked.flatMap(({ question, passage, answers }) => {
    const hasAnswer = (text: string) => answers.some((answer) => text.includes(answer));
    const best = excerptsOf(passage, WORDS).find(hasAnswer);
    if (best === undefined) return [];
    const others = search(question, DEEPEST).filter((text) => text !== best && !hasAnswer(text));
    return [shuffled(question, [best, ...spread(others, SIZE - 1)])];
  });
}

/** Texts at depths that double, in their order: near misses first, then others. */
function spread(texts: readonly string[], count: number): string[] {
  const last = texts.length - 1;
  const depths = Array.from({ length: count }, (_, i) => Math.max(i, Math.round((last + 1) ** ((i + 1) / count)) - 1));
  return [...new Set(depths.map((depth) => Math.min(depth, last)))].flatMap((depth) => texts[depth] ?? []);
}

async function cranfieldLists(): Promise<List[]> {
  const { documents, queries } = await cranfieldQueries(folder, run);
  const search = searcher(documents.map(({ text }) => text));
  const idOf = new Map(documents.map(({ id, text }) => [text, id]));
  const cut = (text: string) => text.split(/\s+/).slice(0, WORDS).join(" ");
  return queries.flatMap(({ query, relevance }) => {
    const candidates = search(query, DEEPEST);
    const gain = (text: string) => relevance[idOf.get(text)!] ?? 0;
    const judged = candidates.filter((text) => gain(text) > 0);
    if (judged.length === 0) return [];
    const some = judged.slice(0, SIZE / 2).toSorted((a, b) => gain(b) - gain(a));
    const others = candidates.filter((text) => gain(text) === 0);
    return [shuffled(query, [...some, ...spread(others, SIZE - some.length)].map(cut))];
  });
}

/** A list whose documents are in random order. */
function shuffled(query: string, best: readonly string[]): List {
  const places = shuffle([...best.keys()], random);
  const documents = places.map((i) => best[i]!);
  return { query, documents, ranking: best.map((_, i) => places.indexOf(i)) };
}
