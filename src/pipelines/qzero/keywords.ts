import { countsOf } from "../../retrieval/analysis.ts";
import { countContentWords, countNouns } from "./nouns.ts";
import type { QZeroOptions } from "./options.ts";

type Counts = ReadonlyMap<string, number>;
type Counter = (text: string) => Counts;

const counters: Readonly<Record<QZeroOptions["keywords"], Counter>> = {
  nouns: countNouns,
  content: countContentWords,
};

/** A category, its number of occurrences, and its keywords with their counts. */
export interface CountedCategory {
  readonly name: string;
  readonly count: number;
  readonly words: Counts;
}

/** The distinct categories in order of appearance. */
export const countedCategories = (categories: readonly string[], kind: QZeroOptions["keywords"]): CountedCategory[] =>
  [...countsOf(categories)].map(([name, count]) => ({ name, count, words: remembered(name, kind) }));

/** The text's keywords, if a text is given, then the combined keywords of the categories. */
export function keywordsOf(
  text: string | undefined,
  categories: readonly CountedCategory[],
  kind: QZeroOptions["keywords"],
): Map<string, number> {
  const sum = new Map(text === undefined ? [] : counters[kind](text));
  for (const { words, count } of categories)
    for (const [word, each] of words) sum.set(word, (sum.get(word) ?? 0) + count * each);
  return sum;
}

const MOST_REMEMBERED = 100_000;
const memory: Readonly<Record<QZeroOptions["keywords"], Map<string, Counts>>> = {
  nouns: new Map(),
  content: new Map(),
};

/** A category's keywords, cached, since tagging takes the most time and categories repeat. */
function remembered(category: string, kind: QZeroOptions["keywords"]): Counts {
  const known = memory[kind];
  const before = known.get(category);
  if (before) return before;
  if (known.size >= MOST_REMEMBERED) known.clear();
  const words = counters[kind](category);
  known.set(category, words);
  return words;
}
