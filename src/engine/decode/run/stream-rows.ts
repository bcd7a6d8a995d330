import { Buffer } from "../../../runtime/buffer.ts";

const sides = ["branch", "residual", "inputs"] as const;

/** The stream of tokens, a row of `hidden` each, and the layers' own inputs if they have them. */
export interface StreamMemory {
  readonly branch: Buffer;
  readonly residual: Buffer;
  readonly inputs?: Buffer;
}

/** Streams of tokens at a cut, kept aside in order: [capacity, width] for each side of the stream. */
export class StreamRows implements Disposable {
  readonly #streams: StreamMemory;
  readonly #widths: Readonly<Record<(typeof sides)[number], number>>;
  /** Tokens held. */
  count = 0;

  /** `inputs`: width of the layers' own inputs, 0 if they have none. */
  constructor(capacity: number, hidden: number, inputs: number) {
    const wide = (width: number) => new Buffer("f32", capacity * width);
    this.#widths = { branch: hidden, residual: hidden, inputs };
    this.#streams = { branch: wide(hidden), residual: wide(hidden), ...(inputs > 0 && { inputs: wide(inputs) }) };
  }

  /** Adds `tokens` tokens that lie in other streams from token `first` on. */
  add(from: StreamMemory, first: number, tokens: number): void {
    this.#copy(from, this.#streams, first, this.count, tokens);
    this.count += tokens;
  }

  /** Lets go of all but these tokens, given in order by their numbers here. */
  keep(kept: ArrayLike<number>): void {
    for (let to = 0; to < kept.length; to++)
      if (to !== kept[to]) this.#copy(this.#streams, this.#streams, kept[to]!, to, 1);
    this.count = kept.length;
  }

  /** Writes `tokens` tokens, from number `first` on, to the beginning of other streams. */
  give(to: StreamMemory, first: number, tokens: number): void {
    this.#copy(this.#streams, to, first, 0, tokens);
  }

  /** Copies `tokens` tokens, from number `first` on, to number `at` on. */
  #copy(from: StreamMemory, to: StreamMemory, first: number, at: number, tokens: number): void {
    for (const side of sides) {
      const [source, width] = [from[side], this.#widths[side]];
      if (source) to[side]?.copy(at * width, source, first * width, tokens * width);
    }
  }

  [Symbol.dispose](): void {
    for (const side of sides) this.#streams[side]?.[Symbol.dispose]();
  }
}
