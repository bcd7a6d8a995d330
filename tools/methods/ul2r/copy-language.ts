import { seededRandom } from "../../../src/util/random.ts";

/** The letters of words; a random one is right 1 time in 16. */
const LETTERS = "abcdefghijklmnop";

/** Letters of a word. All words have as many, so that a letter's copy is always as far away. */
const LENGTH = 4;

/** A random word. */
export const randomWord = (random: () => number): string =>
  Array.from({ length: LENGTH }, () => LETTERS[Math.floor(random() * LETTERS.length)]).join("");

/** A text of records `w=w;`, each of a random word that is written twice. */
export function copyText(records: number, seed: number): string {
  const random = seededRandom(seed);
  return Array.from({ length: records }, () => {
    const word = randomWord(random);
    return `${word}=${word};`;
  }).join("");
}
