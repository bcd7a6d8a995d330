import { seededRandom, shuffle } from "../../../src/util/random.ts";
import { below, type Random, type Sample } from "./world.ts";

const LETTERS = [..."abcdefgh"];

/** The value of each key of two letters: arbitrary, so that it can be memorised but not derived. */
const values = new Map(
  (() => {
    const random = seededRandom(5);
    const keys = LETTERS.flatMap((a) => LETTERS.map((b) => a + b));
    return shuffle(keys, random).map((key) => [key, LETTERS[below(LETTERS.length, random)]!] as const);
  })(),
);
const KEYS = [...values.keys()];
/** Keys that training shows; the others are asked for in tests, too. */
const KNOWN = KEYS.slice(0, 45);

/** A look-up of a fact, which no plan helps with: the plan says the key again. */
export function lookUp(random: Random, keys: readonly string[] = KNOWN): Sample {
  const key = keys[below(keys.length, random)]!;
  return { task: "look-up", question: `?${key}`, plan: key, answer: values.get(key)! };
}

export const isKnown = ({ plan }: Sample): boolean => KNOWN.includes(plan);

/** Look-ups of all keys, known or not. */
export const anyLookUp = (random: Random): Sample => lookUp(random, KEYS);

/** The share of guesses among all letters that are right. */
export const LOOK_UP_CHANCE = 1 / LETTERS.length;
