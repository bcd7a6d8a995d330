import { type StreamMemory, StreamRows } from "./stream-rows.ts";

/**
 * A row's exited tokens, which wait until a later token runs deeper layers, with their streams in order. A later token
 * never waits at a deeper cut than an earlier one: tokens waiting at a cut continue with the next token that passes it.
 */
export class HeldBack implements Disposable {
  readonly #streams: StreamRows;
  readonly #tokens: { readonly position: number; readonly depth: number }[] = [];
  /** True if the tokens decided at their exits are drafts. */
  drafts = false;

  constructor(capacity: number, hidden: number, inputs = 0) {
    this.#streams = new StreamRows(capacity, hidden, inputs);
  }

  get count(): number {
    return this.#tokens.length;
  }

  /** The number of layers that the last token has run; undefined if no token waits. */
  get depth(): number | undefined {
    return this.#tokens.at(-1)?.depth;
  }

  /** The number of layers that each token has run. */
  get depths(): number[] {
    return this.#tokens.map(({ depth }) => depth);
  }

  /** Adds tokens at these positions, after `depth` layers, from other streams, starting at index `first`. */
  add(from: StreamMemory, first: number, positions: readonly number[], depth: number): void {
    if (positions.length === 0) return;
    if (depth > (this.depth ?? depth)) throw new Error(`a token at depth ${depth} cannot wait behind a shallower one`);
    this.#streams.add(from, first, positions.length);
    this.#tokens.push(...positions.map((position) => ({ position, depth })));
  }

  /** Moves the tokens that have run `depth` layers to the start of other streams; returns their positions. */
  take(depth: number, to: StreamMemory): number[] {
    const first = this.#tokens.findIndex((token) => token.depth === depth);
    if (first < 0) return [];
    const tokens = this.#tokens.splice(first);
    this.#streams.give(to, first, tokens.length);
    this.#streams.count = first;
    return tokens.map(({ position }) => position);
  }

  clear(): void {
    this.#tokens.length = 0;
    this.#streams.count = 0;
    this.drafts = false;
  }

  [Symbol.dispose](): void {
    this.#streams[Symbol.dispose]();
  }
}
