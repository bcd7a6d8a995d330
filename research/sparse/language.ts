import { seededRandom } from "../../src/util/random.ts";

/** The symbols of the language, one character each. */
export const SYMBOLS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const N = SYMBOLS.length;

/** Deviations of the logits that the last symbol, the one before, and the pair give the next. */
const DEVIATIONS = { last: 1.2, before: 0.8, pair: 1.6 };

/** A Markov language of order 2: probabilities of the next symbol by the last two. */
export interface Language {
  /** [before, last, next], flat. */
  readonly next: Float64Array;
  /** Nats per symbol. */
  readonly entropy: number;
  /** Nats per symbol of a model that knows only the symbols' frequencies. */
  readonly unigram: number;
}

/** A language with random logits: those of the last symbol, of the one before and of both, added. */
export function languageOf(seed: number): Language {
  const normal = normals(seededRandom(seed));
  const table = (length: number, deviation: number) => Float64Array.from({ length }, () => deviation * normal());
  const [last, before, pair] = [
    table(N * N, DEVIATIONS.last),
    table(N * N, DEVIATIONS.before),
    table(N * N * N, DEVIATIONS.pair),
  ];
  const next = new Float64Array(N * N * N);
  for (let a = 0; a < N; a++)
    for (let b = 0; b < N; b++) {
      const row = next.subarray((a * N + b) * N, (a * N + b + 1) * N);
      for (let c = 0; c < N; c++) row[c] = Math.exp(last[b * N + c]! + before[a * N + c]! + pair[(a * N + b) * N + c]!);
      const sum = row.reduce((total, value) => total + value, 0);
      for (let c = 0; c < N; c++) row[c]! /= sum;
    }
  const pairs = stationary(next);
  const symbols = Float64Array.from({ length: N }, (_, b) => sumOver(N, (a) => pairs[a * N + b]!));
  const rows = sumOver(N * N, (ab) => pairs[ab]! * entropyOf(next.subarray(ab * N, (ab + 1) * N)));
  return { next, entropy: rows, unigram: entropyOf(symbols) };
}

/** How often each pair of symbols comes in a long text. */
function stationary(next: Float64Array): Float64Array {
  let pairs = new Float64Array(N * N).fill(1 / (N * N));
  for (let round = 0; round < 200; round++) {
    const after = new Float64Array(N * N);
    for (let ab = 0; ab < N * N; ab++)
      for (let c = 0; c < N; c++) after[(ab % N) * N + c]! += pairs[ab]! * next[ab * N + c]!;
    pairs = after;
  }
  return pairs;
}

const sumOver = (count: number, value: (i: number) => number): number =>
  Array.from({ length: count }, (_, i) => value(i)).reduce((sum, one) => sum + one, 0);

const entropyOf = (p: Float64Array): number => p.reduce((sum, x) => (x > 0 ? sum - x * Math.log(x) : sum), 0);

export function textOf({ next }: Language, length: number, seed: number): string {
  const random = seededRandom(seed);
  const codes = new Uint8Array(length);
  let [a, b] = [0, 0];
  for (let i = 0; i < length; i++) {
    const c = drawn(next.subarray((a * N + b) * N, (a * N + b + 1) * N), random());
    codes[i] = SYMBOLS.charCodeAt(c);
    [a, b] = [b, c];
  }
  return new TextDecoder("latin1").decode(codes);
}

function drawn(p: Float64Array, at: number): number {
  let sum = 0;
  for (let c = 0; c < N; c++) {
    sum += p[c]!;
    if (at < sum) return c;
  }
  return N - 1;
}

/** Normally distributed numbers by Box and Muller's method, one of each pair. */
const normals = (random: () => number) => () =>
  Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
