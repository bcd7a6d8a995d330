/** The tokens of a text by what came right before them. */
export class Seen {
  /** The place after the latest occurrence of some tokens, by those tokens. */
  readonly #places = new Map<string, number>();
  #noted = 0;

  /** `match`: tokens that must be the same. */
  constructor(private readonly match: number) {}

  /**
   * The place in `tokens` where they last went on after their own last `match` tokens; undefined if these are new.
   * Each call's tokens begin with those of the call before.
   */
  after(tokens: readonly number[]): number | undefined {
    // The last tokens are asked for before they are noted: they are not their own occurrence.
    for (let end = Math.max(this.#noted, this.match); end < tokens.length; end++)
      this.#places.set(this.#key(tokens, end), end);
    this.#noted = tokens.length;
    return tokens.length < this.match ? undefined : this.#places.get(this.#key(tokens, tokens.length));
  }

  #key(tokens: readonly number[], end: number): string {
    return tokens.slice(end - this.match, end).join(" ");
  }
}
