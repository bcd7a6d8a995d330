import { UserError } from "../../util/errors.ts";
import { seededRandom, shuffle } from "../../util/random.ts";

export interface NeedleOptions {
  /** Text that hides the needles; repeated when it is shorter than asked for. */
  haystack: string;
  /** Length of the whole prompt as `countTokens` counts it; never exceeded, and missed by a word's tokens at most. */
  tokens: number;
  /** Where the asked needle lies: 0 before the haystack, 1 after it. */
  depth: number;
  /** Needles in all: 1 is the single needle, more is multi-key retrieval, where only one is asked for. */
  keys: number;
  seed: number;
  countTokens: (text: string) => number;
}

export interface NeedleItem {
  prompt: string;
  /** The five digits asked for. */
  answer: string;
  /** Where the needle came to lie, at a sentence's end near the depth asked for. */
  depth: number;
  tokens: number;
}

const names = (
  "anchor basket candle dragon engine falcon garden harbor island jacket kettle lantern magnet needle orchard pepper " +
  "quarry ribbon saddle temple umbrella violin window yogurt zipper"
).split(" ");

interface Needle {
  name: string;
  number: string;
  depth: number;
}

/**
 * A prompt that hides numbers in a long text and asks for one of them, as RULER's niah_single and niah_multikey do
 * (arXiv 2404.06654), worded so that the answer is the next few tokens. The same options give the same prompt.
 * Throws a `UserError` when `tokens` cannot hold the needles and the question.
 */
export function needle(options: NeedleOptions): NeedleItem {
  const { haystack, tokens, depth, keys, seed, countTokens } = options;
  if (keys < 1 || keys > names.length) throw new UserError(`keys: expected 1 to ${names.length} needles, got ${keys}`);
  const random = seededRandom(seed);
  const needles = makeNeedles(keys, depth, random);
  const words = rotated(haystack, random);
  const at = (count: number) => prompt(words, count, needles);
  const count = longest(tokens, (count) => countTokens(at(count).text) <= tokens);
  if (count < 0) {
    const least = countTokens(at(0).text);
    throw new UserError(`tokens: expected at least ${least}, which the needles and the question take, got ${tokens}`);
  }
  const { text, depth: reached } = at(count);
  return { prompt: text, answer: needles[0]!.number, depth: reached, tokens: countTokens(text) };
}

/** `count` items with depths spread evenly over the haystack, each with its own needles and start. */
export const needles = (count: number, options: Omit<NeedleOptions, "depth">): NeedleItem[] =>
  Array.from({ length: count }, (_, i) =>
    needle({ ...options, depth: (i + 0.5) / count, seed: options.seed * 1_000_003 + i }),
  );

/** Whether a model's text holds the answer as a number of its own. */
export const holdsAnswer = (text: string, answer: string) => new RegExp(`(?<!\\d)${answer}(?!\\d)`).test(text);

/** The first needle is the one asked for; the others lie anywhere. */
function makeNeedles(keys: number, depth: number, random: () => number): Needle[] {
  const numbers = new Set<string>();
  while (numbers.size < keys) numbers.add(String(10_000 + Math.floor(random() * 90_000)));
  const chosen = shuffle([...names], random);
  return [...numbers].map((number, i) => ({ name: chosen[i]!, number, depth: i === 0 ? depth : random() }));
}

/** The haystack's words, from the start of some sentence round to its end. */
function rotated(haystack: string, random: () => number): string[] {
  const words = haystack.split(/\s+/).filter((word) => word !== "");
  if (words.length === 0) throw new UserError("haystack: expected some text, got none");
  const starts = [0, ...words.keys()].filter((i) => i === 0 || endsSentence(words[i - 1]!));
  const start = starts[Math.floor(random() * starts.length)]!;
  return [...words.slice(start), ...words.slice(0, start)];
}

const endsSentence = (word: string) => /[.!?]["'”’)\]]*$/.test(word);

function prompt(words: string[], count: number, needles: Needle[]): { text: string; depth: number } {
  const hay = Array.from({ length: count }, (_, i) => words[i % words.length]!);
  const places = needles.map(({ depth }) => sentenceEnd(hay, Math.round(depth * count)));
  const parts: string[] = [];
  for (let i = 0; i <= count; i++) {
    for (const [n, { name, number }] of needles.entries())
      if (places[n] === i) parts.push(`The special magic number for ${name} is ${number}.`);
    if (i < count) parts.push(hay[i]!);
  }
  const { name } = needles[0]!;
  const text =
    "Special magic numbers are hidden in the following text. Remember them.\n\n" +
    `${parts.join(" ")}\n\n` +
    `What is the special magic number for ${name} in the text above? The special magic number for ${name} is`;
  return { text, depth: count === 0 ? 0 : places[0]! / count };
}

/** The last sentence end at or before a place, so that a needle cuts no sentence; the place itself at the very end. */
function sentenceEnd(words: string[], place: number): number {
  if (place === words.length) return place;
  for (let i = place; i > 0; i--) if (endsSentence(words[i - 1]!)) return i;
  return 0;
}

/** The greatest number up to `most` that fits (smaller ones fit too), or -1. */
function longest(most: number, fits: (count: number) => boolean): number {
  let [low, high] = [-1, most + 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (fits(middle)) low = middle;
    else high = middle;
  }
  return low;
}
