import { Buffer } from "../runtime/buffer.ts";
import type { Binding } from "../runtime/program.ts";
import type { DecoderConfig } from "./decoder.ts";
import { nearStart } from "./near.ts";

/** The inputs of a stack's programs that say how long the rows of a cache are, with places for `rows` rows. */
export class Lengths implements Disposable {
  readonly #lengths: Buffer;
  readonly #nearLengths: Buffer;
  /** Totals are of the rows together that start at the place. */
  readonly #totals: Buffer;
  readonly #nearTotals: Buffer;
  readonly #positions: Buffer;

  /** For at most `tokens` new tokens a row. */
  constructor(
    private readonly config: DecoderConfig,
    rows: number,
    private readonly tokens: number,
  ) {
    const perRow = () => new Buffer("i32", rows);
    [this.#lengths, this.#nearLengths, this.#totals, this.#nearTotals] = [perRow(), perRow(), perRow(), perRow()];
    this.#positions = new Buffer("i64", rows * tokens);
  }

  /**
   * Rows from place `first` on hold `pasts` tokens each, and get `tokens` new ones; `stretched` are those of sequences beyond
   * `stretchedBeyond`. Returns the token from which on layers with a window are to be bound.
   */
  set(first: number, pasts: readonly number[], tokens: number, stretched: readonly boolean[] = []): number {
    const start = nearStart(this.config, Math.min(...pasts));
    const positions = new BigInt64Array(this.#positions.memory);
    for (const [row, past] of pasts.entries()) {
      this.#put(this.#lengths, this.#nearLengths, first + row, past + tokens - 1, start);
      const turn = past + (stretched[row] ? this.config.stretchedBeyond! : 0);
      for (let t = 0; t < tokens; t++) positions[first * this.tokens + row * tokens + t] = BigInt(turn + t);
    }
    this.#put(this.#totals, this.#nearTotals, first, Math.max(...pasts) + tokens, start);
    return start;
  }

  #put(all: Buffer, near: Buffer, at: number, length: number, start: number): void {
    new Int32Array(all.memory)[at] = length;
    new Int32Array(near.memory)[at] = length - start;
  }

  /** What `set` writes to. */
  views(first: number, rows: number, tokens: number): Binding {
    return {
      lengths: this.#lengths.view([rows], first),
      nearLengths: this.#nearLengths.view([rows], first),
      total: this.#totals.view([], first),
      nearTotal: this.#nearTotals.view([], first),
      positions: this.#positions.view([rows, tokens], first * this.tokens),
    };
  }

  [Symbol.dispose](): void {
    const held = [this.#lengths, this.#nearLengths, this.#totals, this.#nearTotals, this.#positions];
    for (const buffer of held) buffer[Symbol.dispose]();
  }
}
