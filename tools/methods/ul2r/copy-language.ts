import { seededRandom } from "../../../src/util/random.ts";

/** The letters of words; a random one is right 1 time in 16. */
export const LETTERS = "abcdefghijklmnop";

const SHORTEST = 3;
const LONGEST = 8;

/** A random word of 3 to 8 letters. */
export function randomWord(random: () => number): string {
  const length = SHORTEST + Math.floor(random() * (LONGEST - SHORTEST + 1));
  return Array.from({ length }, () => LETTERS[Math.floor(random() * LETTERS.length)]).join("");
}

/** A text of records `w=w;`, each of a random word that is written twice. */
export function copyText(records: number, seed: number): string {
  const random = seededRandom(seed);
  return Array.from({ length: records }, () => {
    const word = randomWord(random);
    return `${word}=${word};`;
  }).join("");
}
