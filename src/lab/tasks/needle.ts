import { UserError } from "../../util/errors.ts";
import { seededRandom, shuffle } from "../../util/random.ts";
import { hide } from "./hide.ts";

export interface NeedleOptions {
  /** Text that hides the needles; repeated if it is too short. */
  haystack: string;
  /**
   * The maximum number of tokens in the prompt plus `reserve`, by `countTokens`. The total falls short of it by less
   * than a word.
   */
  tokens: number;
  /** Tokens kept free for the answer; 0 by default. */
  reserve?: number;
  /** The depth of the needle in question: 0 before the haystack, 1 after it. */
  depth: number;
  /** The number of needles: 1 is the single needle; more is multi-key retrieval, with a question about one of them. */
  keys: number;
  seed: number;
  countTokens: (text: string) => number;
}

export interface NeedleItem {
  prompt: string;
  /** The five digits in question. */
  answer: string;
  /** The actual depth of the needle, at the end of the sentence nearest to the requested depth. */
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
 * A prompt that hides numbers in a long text and asks for one of them, as in RULER's niah_single and niah_multikey
 * (arXiv 2404.06654), worded so that the answer is the next few tokens. The options determine the prompt. Throws a
 * `UserError` if `tokens` cannot hold the needles and the question.
 */
export function needle({ depth, keys, seed, ...options }: NeedleOptions): NeedleItem {
  if (keys < 1 || keys > names.length) throw new UserError(`keys: expected 1 to ${names.length} needles, got ${keys}`);
  const random = seededRandom(seed);
  const needles = makeNeedles(keys, depth, random);
  const [{ name, number }] = needles as [Needle];
  const frame = (hay: string) =>
    "Special magic numbers are hidden in the following text. Remember them.\n\n" +
    `${hay}\n\n` +
    `What is the special magic number for ${name} in the text above? The special magic number for ${name} is`;
  const hidden = needles.map(({ name, number, depth }) => ({
    text: `The special magic number for ${name} is ${number}.`,
    depth,
  }));
  const { prompt, depths, tokens } = hide({ ...options, hidden, frame, random });
  return { prompt, answer: number, depth: depths[0]!, tokens };
}

/** `count` items with depths spread evenly over the haystack, each with its own needles and start. */
export const needles = (count: number, options: Omit<NeedleOptions, "depth">): NeedleItem[] =>
  Array.from({ length: count }, (_, i) =>
    needle({ ...options, depth: (i + 0.5) / count, seed: options.seed * 1_000_003 + i }),
  );

/** The first needle is the one in question; the others lie anywhere. */
function makeNeedles(keys: number, depth: number, random: () => number): Needle[] {
  const numbers = new Set<string>();
  while (numbers.size < keys) numbers.add(String(10_000 + Math.floor(random() * 90_000)));
  const chosen = shuffle([...names], random);
  return [...numbers].map((number, i) => ({ name: chosen[i]!, number, depth: i === 0 ? depth : random() }));
}
