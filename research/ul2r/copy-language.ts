import { seededRandom } from "../../src/util/random.ts";

/** The letters of words; a random one is right 1 time in 16. */
const LETTERS = "abcdefghijklmnop";

/** A copy language: records `w=w;`, each of a random word that is written twice. */
export interface CopyLanguage {
  readonly name: string;
  /** Letters of a word, at least and at most. */
  readonly shortest: number;
  readonly longest: number;
  /** True if each record is a text by itself; else they are one text. */
  readonly apart: boolean;
}

export function randomWord({ shortest, longest }: CopyLanguage, random: () => number): string {
  const length = shortest + Math.floor(random() * (longest - shortest + 1));
  return Array.from({ length }, () => LETTERS[Math.floor(random() * LETTERS.length)]).join("");
}

/** Records as a file's contents: a text, or lines of JSON. */
export function copyText(language: CopyLanguage, records: number, seed: number): string {
  const random = seededRandom(seed);
  return Array.from({ length: records }, () => {
    const word = randomWord(language, random);
    const record = `${word}=${word};`;
    return language.apart ? `${JSON.stringify({ text: record })}\n` : record;
  }).join("");
}
