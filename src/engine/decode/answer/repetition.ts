/** The longest pattern to search for, in tokens. */
const LONGEST = 64;
/** The smallest number of repeats of a pattern. */
const TIMES = 12;
/** The minimum number of tokens in a loop. Patterns without a letter, as in a table of numbers, need more. */
const LEAST = { words: 96, others: 256 } as const;

/**
 * Finds a loop in an answer: its last tokens repeat a pattern of 1 to LONGEST tokens at least TIMES times without a gap,
 * over at least LEAST tokens.
 */
export class Repetition {
  readonly #tokens: number[] = [];
  /** For each length of the answer, the number of its tokens that contain a letter. */
  readonly #words: number[] = [0];
  /** For each period, the number of trailing tokens that equal the token one period earlier. */
  readonly #equal = new Uint32Array(LONGEST + 1);

  /** Adds the next token and its text; true if the answer loops. */
  push(token: number, text: string): boolean {
    const at = this.#tokens.push(token) - 1;
    this.#words.push(this.#words[at]! + (/\p{L}/u.test(text) ? 1 : 0));
    let loops = false;
    for (let period = 1; period <= Math.min(at, LONGEST); period++) {
      const equal = this.#tokens[at - period] === token ? this.#equal[period]! + 1 : 0;
      this.#equal[period] = equal;
      loops ||= equal + period >= this.#length(period);
    }
    return loops;
  }

  /** The minimum number of tokens in a loop whose pattern resembles the last `period` tokens. */
  #length(period: number): number {
    const hasWords = this.#words.at(-1)! > this.#words.at(-1 - period)!;
    return Math.max(TIMES * period, hasWords ? LEAST.words : LEAST.others);
  }
}
