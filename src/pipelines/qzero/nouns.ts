import { createRequire } from "node:module";
import type { ItemToken, WinkMethods } from "wink-nlp";
import { countsOf, stopWords } from "../../retrieval/analysis.ts";

const require = createRequire(import.meta.url);
let opened: WinkMethods | undefined;

/** Opens the tagger at the first call, since that takes half a second and most programs never count nouns. */
function tagger(): WinkMethods {
  const open: typeof import("wink-nlp").default = require("wink-nlp");
  opened ??= open(require("wink-eng-lite-web-model"), ["pos"]);
  return opened;
}

/**
 * The common nouns of a text, in lower case, with their counts, in order of appearance. Each line is tagged on its own,
 * so that categories, one per line, count as phrases and not as one sentence.
 */
export const countNouns = (text: string): ReadonlyMap<string, number> => countsOf(text.split("\n").flatMap(nounsOf));

function nounsOf(phrase: string): string[] {
  const { its, readDoc } = tagger();
  const nouns: string[] = [];
  readDoc(withoutCapital(phrase))
    .tokens()
    .each((token: ItemToken) => {
      if (token.out(its.pos) === "NOUN") nouns.push(token.out().toLowerCase());
    });
  return nouns;
}

/** Titles and categories begin with a capital; the tagger would take "Films about death" for a name. */
const withoutCapital = (phrase: string): string =>
  phrase.replace(/^\s*\p{Lu}(?!\p{Lu})/u, (first) => first.toLowerCase());

/** All words of a text except stop words and numbers, counted as in `countNouns`; for texts that are not English. */
export function countContentWords(text: string): ReadonlyMap<string, number> {
  const words = text.toLowerCase().match(/\p{L}[\p{L}\p{M}]+/gu) ?? [];
  return countsOf(words.filter((word) => !stopWords.has(word)));
}
