import { stemmer } from "stemmer";
import { UNSPACED } from "./words.ts";

/** The analysis's name, stored with an index, because terms from a different analysis do not match. */
export const ANALYSIS = "english-porter-1";

/** The 33 English stop words of Lucene's EnglishAnalyzer. */
export const stopWords: ReadonlySet<string> = new Set(
  (
    "a an and are as at be but by for if in into is it no not of on or such " +
    "that the their then there these they this to was will with"
  ).split(" "),
);

const token = new RegExp(`[${UNSPACED}]|(?:(?![${UNSPACED}])[\\p{L}\\p{N}\\p{M}'’])+`, "gu");

const LONGEST = 64;

/**
 * The terms of a text in order: its words except stop words, in lower case, without accents and stemmed (Porter 1980).
 * Words in languages other than English keep most of their endings.
 */
export function termsOf(text: string): string[] {
  const plain = text
    .normalize("NFKD")
    .replace(/[\u0300-\u036f]/g, "")
    .toLowerCase();
  const terms: string[] = [];
  for (const [found] of plain.matchAll(token)) {
    const word = found
      .replace(/['’]s$/, "")
      .replace(/['’]/g, "")
      .slice(0, LONGEST);
    if (word !== "" && !stopWords.has(word)) terms.push(stemOf(word));
  }
  return terms;
}

const MOST_KEPT = 100_000;
const stems = new Map<string, string>();

/** Stems of known words are cached: stemming takes longer than everything else. */
function stemOf(word: string): string {
  const known = stems.get(word);
  if (known !== undefined) return known;
  const stem = stemmer(word);
  if (stems.size >= MOST_KEPT) stems.clear();
  stems.set(word, stem);
  return stem;
}

/** Counts how often each term occurs. */
export function countsOf(terms: readonly string[]): Map<string, number> {
  const counts = new Map<string, number>();
  for (const term of terms) counts.set(term, (counts.get(term) ?? 0) + 1);
  return counts;
}
