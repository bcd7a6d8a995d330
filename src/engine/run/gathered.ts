import { Buffer } from "../../runtime/buffer.ts";

const sides = ["branch", "residual"] as const;
type Streams = Readonly<Record<(typeof sides)[number], Buffer>>;

/** The streams of a prompt's tokens that gather at a cut, [tokens, hidden] each, and the tokens' positions in the prompt. */
export class Gathered implements Disposable {
  readonly #streams: Streams;
  #taken = 0;

  constructor(
    public positions: readonly number[],
    private readonly hidden: number,
  ) {
    const wide = () => new Buffer("f32", positions.length * hidden);
    this.#streams = { branch: wide(), residual: wide() };
  }

  /** Whether all have come. */
  get complete(): boolean {
    return this.#taken === this.positions.length;
  }

  /** Takes the next tokens, from the beginning of these streams. */
  take(from: Streams, tokens: number): void {
    const { hidden } = this;
    for (const side of sides) this.#streams[side].copy(this.#taken * hidden, from[side], 0, tokens * hidden);
    this.#taken += tokens;
  }

  /** Lets go of all but these tokens, given in order by their numbers here. */
  keep(kept: ArrayLike<number>): void {
    const numbers = Array.from(kept);
    for (const [to, from] of numbers.entries())
      if (to !== from)
        for (const side of sides)
          this.#streams[side].copy(to * this.hidden, this.#streams[side], from * this.hidden, this.hidden);
    this.positions = numbers.map((i) => this.positions[i]!);
    this.#taken = numbers.length;
  }

  /** Writes `tokens` of them, from number `first` on, to the beginning of other streams. */
  give(to: Streams, first: number, tokens: number): void {
    const { hidden } = this;
    for (const side of sides) to[side].copy(0, this.#streams[side], first * hidden, tokens * hidden);
  }

  [Symbol.dispose](): void {
    for (const side of sides) this.#streams[side][Symbol.dispose]();
  }
}
