/**
 * Writes lists to train a reranker on: `npx tsx research/first/lists.ts CRANFIELD OUT [SIZE [WORDS [ORDER]]]`. Lists
 * are SQuAD's questions with the answering excerpt and others from BM25's ranking, and Cranfield's queries that are not
 * held out, ranked by grade, ties by BM25. ORDER is the reading order: shuffled (default), or searched, BM25's order as
 * a reranker gets it, with the best document first in half of the lists.
 */
import { writeFileSync } from "node:fs";
import { seededRandom, shuffle } from "../../src/util/random.ts";
import { cranfieldQueries } from "./cranfield-queries.ts";
import { searcher } from "./searcher.ts";
import { excerptsOf, squadQuestions } from "./squad.ts";

const [folder = "", out = "", size = "10", words = "36", order = "shuffled"] = process.argv.slice(2);
/** Passages of a list, and words of a passage. */
const [SIZE, WORDS] = [Number(size), Number(words)];
if (order !== "shuffled" && order !== "searched")
  throw new Error(`the order is ${order}, expected shuffled or searched`);
/** The deepest BM25 rank that a list may draw from. */
const DEEPEST = 256;

interface List {
  readonly query: string;
  readonly documents: readonly string[];
  readonly ranking: readonly number[];
}

const random = seededRandom(7);
const lists = shuffle([...(await squadLists()), ...(await cranfieldLists())], random);
const written = order === "searched" ? balanced(lists) : lists;
writeFileSync(out, written.map((list) => `${JSON.stringify(list)}\n`).join(""));
process.stderr.write(`${written.length} lists\n`);

/**
 * Balances lists whose first document is the best with others: if BM25 is nearly always right, a model learns only its
 * order.
 */
function balanced(lists: readonly List[]): List[] {
  const isFirst = ({ ranking }: List) => ranking[0] === 0;
  const others = lists.filter((list) => !isFirst(list));
  return shuffle([...others, ...lists.filter(isFirst).slice(0, others.length)], random);
}

/** Questions: the excerpt with the answer ranks first, the others follow in BM25's order. */
async function squadLists(): Promise<List[]> {
  const questions = await squadQuestions();
  const excerpts = [...new Set(questions.flatMap(({ passage }) => excerptsOf(passage, WORDS)))];
  const search = searcher(excerpts);
  return questions.flatMap(({ question, passage, answers }) => {
    const hasAnswer = (text: string) => answers.some((answer) => text.includes(answer));
    const best = excerptsOf(passage, WORDS).find(hasAnswer);
    if (best === undefined) return [];
    const found = search(question, DEEPEST);
    const others = found.filter((text) => text !== best && !hasAnswer(text));
    return [listOf(question, [best, ...spread(others, SIZE - 1)], found)];
  });
}

/** Picks texts at doubling depths, in order: near misses first, then less similar ones. */
function spread(texts: readonly string[], count: number): string[] {
  const last = texts.length - 1;
  const depths = Array.from({ length: count }, (_, i) => Math.max(i, Math.round((last + 1) ** ((i + 1) / count)) - 1));
  return [...new Set(depths.map((depth) => Math.min(depth, last)))].flatMap((depth) => texts[depth] ?? []);
}

async function cranfieldLists(): Promise<List[]> {
  const { documents, queries } = await cranfieldQueries(folder);
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
    const { documents, ranking } = listOf(query, [...some, ...spread(others, SIZE - some.length)], candidates);
    return [{ query, documents: documents.map(cut), ranking }];
  });
}

/** A list of documents, given best first, in the order in which they are read; one that BM25 did not find is its last. */
function listOf(query: string, best: readonly string[], found: readonly string[]): List {
  const places = shuffle([...best.keys()], random);
  const ranks = new Map(found.map((text, rank) => [text, rank]));
  const rank = (i: number) => ranks.get(best[i]!) ?? found.length;
  if (order === "searched") places.sort((a, b) => rank(a) - rank(b));
  const documents = places.map((i) => best[i]!);
  return { query, documents, ranking: best.map((_, i) => places.indexOf(i)) };
}
