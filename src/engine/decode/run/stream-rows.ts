import { Buffer } from "../../../runtime/buffer.ts";

const sides = ["branch", "residual", "inputs"] as const;

/** The residual stream of tokens, `hidden` numbers per row, and the layers' own inputs if they have any. */
export interface StreamMemory {
  readonly branch: Buffer;
  readonly residual: Buffer;
  readonly inputs?: Buffer;
}

/** Streams of tokens at a cut, stored in order: [capacity, width] for each side of the stream. */
export class StreamRows implements Disposable {
  readonly #streams: StreamMemory;
  readonly #widths: Readonly<Record<(typeof sides)[number], number>>;
  /** The number of tokens. */
  count = 0;

  /** `inputs`: width of the layers' own inputs, 0 if they have none. */
  constructor(capacity: number, hidden: number, inputs: number) {
    const wide = (width: number) => new Buffer("f32", capacity * width);
    this.#widths = { branch: hidden, residual: hidden, inputs };
    this.#streams = { branch: wide(hidden), residual: wide(hidden), ...(inputs > 0 && { inputs: wide(inputs) }) };
  }

  /** Adds `tokens` tokens from other streams, starting at index `first`. */
  add(from: StreamMemory, first: number, tokens: number): void {
    this.#copy(from, this.#streams, first, this.count, tokens);
    this.count += tokens;
  }

  /** Drops all tokens except those at these ascending indices. */
  keep(indices: ArrayLike<number>): void {
    for (let to = 0; to < indices.length; to++)
      if (to !== indices[to]) this.#copy(this.#streams, this.#streams, indices[to]!, to, 1);
    this.count = indices.length;
  }

  /** Writes `tokens` tokens, starting at index `first`, to the start of other streams. */
  give(to: StreamMemory, first: number, tokens: number): void {
    this.#copy(this.#streams, to, first, 0, tokens);
  }

  /** Copies `tokens` tokens from index `first` to index `at`. */
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
