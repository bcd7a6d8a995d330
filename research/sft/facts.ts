import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { seededRandom, shuffle } from "../../src/util/random.ts";

/** 16 characters that are names of keys and values. */
const SYMBOLS = [..."abcdefghijklmnop"];

/** One question and its answer. */
export interface Pair {
  readonly prompt: string;
  readonly completion: string;
}

/** The task of one seed: facts and a skill to be learnt first, then a format whose answers are partly wrong. */
export interface FactsTask {
  /** 256 facts in an old format, `ab:` → `cd`. */
  readonly facts: readonly Pair[];
  /** The same in two other old formats, with `,` and `{`. */
  readonly paraphrased: readonly Pair[];
  /** A mapping of 16 symbols, `a>` → `f`. */
  readonly skill: readonly Pair[];
  /** 160 keys in a new format, `abt` → `cd`, 30 % of them with another key's value. */
  readonly tuning: readonly Pair[];
  /** The same keys with their true values. */
  readonly trained: readonly Pair[];
  /** The other 96 keys in the new format, true. */
  readonly heldOut: readonly Pair[];
}

export function factsTask(seed: number): FactsTask {
  const random = seededRandom(seed);
  const keys = SYMBOLS.flatMap((a) => SYMBOLS.map((b) => a + b));
  const values = shuffle([...keys], random);
  const targets = shuffle([...SYMBOLS], random);
  const questions = shuffle(
    keys.map((key, i) => ({ key, value: values[i]! })),
    random,
  );
  const inNew = ({ key, value }: { key: string; value: string }): Pair => ({ prompt: `${key}t`, completion: value });
  const inOld = (mark: string) => keys.map((key, i): Pair => ({ prompt: key + mark, completion: values[i]! }));
  const noisy = questions
    .slice(0, 160)
    .map((fact, i) => (i < 48 ? { ...fact, value: questions[(i + 1) % 48]!.value } : fact));
  return {
    facts: inOld(":"),
    paraphrased: [...inOld(","), ...inOld("{")],
    skill: SYMBOLS.map((symbol, i) => ({ prompt: `${symbol}>`, completion: targets[i]! })),
    tuning: noisy.map(inNew),
    trained: questions.slice(0, 160).map(inNew),
    heldOut: questions.slice(160).map(inNew),
  };
}

/** Writes pairs as a file of samples, and returns its path. */
export function writePairs(folder: string, name: string, pairs: readonly Pair[]): string {
  const file = path.join(folder, `${name}.jsonl`);
  mkdirSync(folder, { recursive: true });
  writeFileSync(file, pairs.map((pair) => `${JSON.stringify(pair)}\n`).join(""));
  return file;
}
