import { Buffer } from "../../../runtime/buffer.ts";

const sides = ["branch", "residual"] as const;
type Streams = Readonly<Record<(typeof sides)[number], Buffer>>;

/** Streams of tokens at a cut, kept aside in order: [capacity, hidden] for each side of the stream. */
export class StreamRows implements Disposable {
  readonly #streams: Streams;
  /** Tokens held. */
  count = 0;

  constructor(
    capacity: number,
    private readonly hidden: number,
  ) {
    const wide = () => new Buffer("f32", capacity * hidden);
    this.#streams = { branch: wide(), residual: wide() };
  }

  /** Adds `tokens` tokens that lie in other streams from token `first` on. */
  add(from: Streams, first: number, tokens: number): void {
    const { hidden } = this;
    for (const side of sides)
      this.#streams[side].copy(this.count * hidden, from[side], first * hidden, tokens * hidden);
    this.count += tokens;
  }

  /** Lets go of all but these tokens, given in order by their numbers here. */
  keep(kept: ArrayLike<number>): void {
    const { hidden } = this;
    for (let to = 0; to < kept.length; to++)
      if (to !== kept[to])
        for (const side of sides)
          this.#streams[side].copy(to * hidden, this.#streams[side], kept[to]! * hidden, hidden);
    this.count = kept.length;
  }

  /** Writes `tokens` tokens, from number `first` on, to the beginning of other streams. */
  give(to: Streams, first: number, tokens: number): void {
    const { hidden } = this;
    for (const side of sides) to[side].copy(0, this.#streams[side], first * hidden, tokens * hidden);
  }

  [Symbol.dispose](): void {
    for (const side of sides) this.#streams[side][Symbol.dispose]();
  }
}
