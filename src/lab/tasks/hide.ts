import { UserError } from "../../util/errors.ts";

/** Sentences to hide in a long text. */
export interface Hiding {
  /** The text in which the sentences are hidden; repeated if it is too short. */
  readonly haystack: string;
  /**
   * The maximum number of tokens in the prompt plus `reserve`, by `countTokens`. The total falls short of it by less
   * than a word.
   */
  readonly tokens: number;
  /** Tokens kept free for the answer; 0 by default. */
  readonly reserve?: number;
  /** Texts with their depth: 0 before the haystack, 1 after it; texts at the same place keep their order. */
  readonly hidden: readonly { readonly text: string; readonly depth: number }[];
  /** Returns the prompt that contains the text. */
  frame(text: string): string;
  /** Chooses where the haystack starts. */
  random(): number;
  countTokens(text: string): number;
}

export interface HiddenIn {
  readonly prompt: string;
  /** The actual depth of each text, at the end of the sentence nearest to the requested depth. */
  readonly depths: readonly number[];
  readonly tokens: number;
}

/** A prompt of at most `tokens` tokens. @throws UserError if the sentences and the frame alone need more */
export function hide(hiding: Hiding): HiddenIn {
  const { haystack, tokens, reserve = 0, random, countTokens } = hiding;
  const { words, starts } = sentences(haystack);
  const start = starts[Math.floor(random() * starts.length)]!;
  const at = (count: number) => filled((i) => words[(start + i) % words.length]!, count, hiding);
  const count = longest(tokens - reserve, (count) => countTokens(at(count).prompt));
  if (count < 0) {
    const least = countTokens(at(0).prompt) + reserve;
    throw new UserError(`tokens: expected at least ${least} for the hidden texts and the question, got ${tokens}`);
  }
  const { prompt, depths } = at(count);
  return { prompt, depths, tokens: countTokens(prompt) };
}

interface Sentences {
  readonly words: readonly string[];
  /** The index of the word where each text begins. */
  readonly starts: readonly number[];
}

/** The last haystack, shared by all items of a task: splitting a long haystack takes longer than using it. */
let last: { haystack: string; sentences: Sentences } | undefined;

function sentences(haystack: string): Sentences {
  if (last?.haystack === haystack) return last.sentences;
  const words = haystack.split(/\s+/).filter((word) => word !== "");
  if (words.length === 0) throw new UserError("haystack: expected some text, got none");
  const starts = [0, ...words.keys()].filter((i) => i === 0 || endsSentence(words[i - 1]!));
  last = { haystack, sentences: { words, starts } };
  return last.sentences;
}

const endsSentence = (word: string) => /[.!?]["'”’)\]]*$/.test(word);

function filled(word: (i: number) => string, count: number, { hidden, frame }: Hiding): Omit<HiddenIn, "tokens"> {
  const hay = Array.from({ length: count }, (_, i) => word(i));
  const places = hidden.map(({ depth }) => sentenceEnd(hay, Math.round(depth * count)));
  const parts: string[] = [];
  for (let i = 0; i <= count; i++) {
    for (const [n, { text }] of hidden.entries()) if (places[n] === i) parts.push(text);
    if (i < count) parts.push(hay[i]!);
  }
  return { prompt: frame(parts.join(" ")), depths: places.map((place) => (count === 0 ? 0 : place / count)) };
}

/** The last sentence end at or before a place, so that a needle cuts no sentence; at the very end, the place itself. */
function sentenceEnd(words: string[], place: number): number {
  if (place === words.length) return place;
  for (let i = place; i > 0; i--) if (endsSentence(words[i - 1]!)) return i;
  return 0;
}

/**
 * The greatest number of words, at most `tokens`, whose prompt fits in `tokens` tokens; -1 if no prompt fits.
 * Requires that fewer words need fewer tokens.
 */
function longest(tokens: number, tokensOf: (words: number) => number): number {
  let [low, high, guess] = [-1, tokens + 1, Math.floor(tokens / 1.5)];
  for (let probes = 1; high - low > 1; probes++) {
    const used = tokensOf(guess);
    if (used <= tokens) low = guess;
    else high = guess;
    // Tokens per word soon predict how many more words fit; bisection finishes the search.
    const step = Math.trunc(((tokens - used) * guess) / used) || (used <= tokens ? 1 : -1);
    guess = probes < 10 ? Math.min(Math.max(guess + step, low + 1), high - 1) : (low + high) >> 1;
  }
  return low;
}
