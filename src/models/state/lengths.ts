import { Buffer } from "../../runtime/buffer.ts";
import type { Binding } from "../../runtime/program.ts";
import type { DecoderConfig } from "../decoder/decoder.ts";
import { windowStart } from "./window-start.ts";

/** The position of a row's new tokens. */
export interface Place {
  /** The number of entries already in the row's cache. */
  readonly entries: number;
  /** The new tokens' positions in the sequence: the first if they are consecutive, or all of them. */
  readonly positions: number | ArrayLike<number>;
  /** The positions on other axes, for a model with several axes; `positions` is then the time axis. */
  readonly height?: ArrayLike<number>;
  readonly width?: ArrayLike<number>;
  /** The number of later tokens that each new token sees in a bidirectional image; absent if all are 0. */
  readonly ahead?: ArrayLike<number>;
  /** True if the sequence uses the long rope factors. */
  readonly longRope?: boolean;
}

/**
 * For `rows` rows, the inputs of a stack's programs: the lengths of a cache's rows, and the positions of new tokens.
 */
export class Lengths implements Disposable {
  readonly #lengths: Buffer;
  readonly #windowLengths: Buffer;
  /** The total length for rows that run together, at the index of the first of these rows. */
  readonly #totals: Buffer;
  readonly #windowTotals: Buffer;
  readonly positions: Buffer;
  /** Undefined if no token sees later tokens. */
  readonly #ahead: Buffer | undefined;
  /** Positions by height and by width; empty if positions have one axis. */
  readonly axes: readonly Buffer[];

  /** Allocates room for `tokens` new tokens per row. */
  constructor(
    private readonly config: DecoderConfig,
    rows: number,
    private readonly tokens: number,
  ) {
    const perRow = () => new Buffer("i32", rows);
    [this.#lengths, this.#windowLengths, this.#totals, this.#windowTotals] = [perRow(), perRow(), perRow(), perRow()];
    this.positions = new Buffer("i64", rows * tokens);
    this.#ahead = config.wholeImages ? new Buffer("i64", tokens) : undefined;
    this.axes = config.axes ? [0, 1].map(() => new Buffer("i64", rows * tokens)) : [];
  }

  /** Sets `tokens` new tokens for each row, from row `first` on. Returns the first token bound to windowed layers. */
  set(first: number, places: readonly Place[], tokens: number): number {
    const entries = places.map((place) => place.entries);
    const start = windowStart(this.config, Math.min(...entries));
    for (const [row, place] of places.entries()) {
      this.#put(this.#lengths, this.#windowLengths, first + row, place.entries + tokens - 1, start);
      this.#putPositions(first * this.tokens + row * tokens, place, tokens);
      for (const axis of this.axes.keys()) this.#putAxis(axis, first * this.tokens + row * tokens, place, tokens);
    }
    const { ahead } = places[0]!;
    if (this.#ahead && ahead) new BigInt64Array(this.#ahead.memory).set(Array.from(ahead, BigInt));
    // In a row's first run, the kernel counts from the first position and assumes no gaps, unless the total differs
    // from the number of tokens.
    const gaps = tokens > 1 && places.some((place) => typeof place.positions !== "number");
    this.#put(this.#totals, this.#windowTotals, first, Math.max(...entries) + tokens + (gaps ? 1 : 0), start);
    return start;
  }

  /** Like `set`, for one new token per row; each row runs separately, whatever the other rows' lengths. */
  setApart(places: readonly Place[]): void {
    for (const [row, place] of places.entries()) this.set(row, [place], 1);
  }

  #putPositions(at: number, { positions, longRope }: Place, tokens: number): void {
    const all = new BigInt64Array(this.positions.memory);
    const further = longRope ? this.config.longRopeBeyond! : 0;
    for (let t = 0; t < tokens; t++)
      all[at + t] = BigInt(further + (typeof positions === "number" ? positions + t : positions[t]!));
  }

  /** Writes positions on one axis; the positions of text are the same on all axes. */
  #putAxis(axis: number, at: number, { positions, height, width }: Place, tokens: number): void {
    const all = new BigInt64Array(this.axes[axis]!.memory);
    const axisPositions = (axis === 0 ? height : width) ?? positions;
    for (let t = 0; t < tokens; t++)
      all[at + t] = BigInt(typeof axisPositions === "number" ? axisPositions + t : axisPositions[t]!);
  }

  #put(all: Buffer, window: Buffer, at: number, length: number, start: number): void {
    new Int32Array(all.memory)[at] = length;
    new Int32Array(window.memory)[at] = length - start;
  }

  /** The views that `set` writes. */
  views(first: number, rows: number, tokens: number): Binding {
    return {
      lengths: this.#lengths.view([rows], first),
      windowLengths: this.#windowLengths.view([rows], first),
      total: this.#totals.view([], first),
      windowTotal: this.#windowTotals.view([], first),
      positions: this.positions.view([rows, tokens], first * this.tokens),
      ...(this.#ahead && { ahead: this.#ahead.view([tokens]) }),
      ...Object.fromEntries(
        this.axes.map((axis, i) => [
          i === 0 ? "positionsHeight" : "positionsWidth",
          axis.view([rows, tokens], first * this.tokens),
        ]),
      ),
    };
  }

  /** The views that `setApart` writes for the first `rows` rows, with names that end in the row's number. */
  viewsApart(rows: number): Binding {
    const all = Array.from({ length: rows }, (_, row) =>
      Object.entries(this.views(row, 1, 1)).map(([name, view]) => [`${name}${row}`, view] as const),
    );
    return Object.fromEntries(all.flat());
  }

  [Symbol.dispose](): void {
    const held = [this.#lengths, this.#windowLengths, this.#totals, this.#windowTotals, this.positions, ...this.axes];
    for (const buffer of held) buffer[Symbol.dispose]();
    this.#ahead?.[Symbol.dispose]();
  }
}
