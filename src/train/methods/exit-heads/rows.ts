import { seededRandom, shuffle } from "../../../util/random.ts";
import { halfFloats } from "../../../weights/gguf/half.ts";
import type { StateCache } from "./states/cache.ts";

/** The number of rows of text that are shuffled together. */
const POOL = 16;

/** Positions of texts, with access to their streams. */
export interface Positions {
  /** The positions' indices, counted from the first position of the first row of text. */
  readonly at: Int32Array;
  /** Writes the positions' stream after a layer to the start of `into`, [positions, hidden]. */
  stream(layer: number, into: Float32Array): void;
}

export interface BatchTerms {
  /** The range of rows of text, start inclusive, end exclusive. */
  readonly range: readonly [from: number, to: number];
  /** The maximum number of positions per batch. */
  readonly size: number;
  /** The shuffle seed; if undefined, positions are in the texts' order. */
  readonly seed?: number | undefined;
  /** True to keep each row's positions together and in order; `size` is then a multiple of a row's length. */
  readonly whole?: boolean | undefined;
}

/** Batches of the positions in rows of text. With a seed, shuffles the rows, then the positions within a few rows. */
export function* batchesOf(
  cache: StateCache,
  layers: readonly number[],
  { range: [from, to], size, seed, whole = false }: BatchTerms,
): Generator<Positions> {
  const random = seed === undefined ? undefined : seededRandom(seed);
  const mixed = (items: Int32Array) => (random ? shuffle(items, random) : items);
  const rows = mixed(Int32Array.from({ length: to - from }, (_, i) => from + i));
  const pool = new Pool(cache, layers);
  for (let first = 0; first < rows.length; first += POOL) {
    const some = rows.subarray(first, first + POOL);
    pool.load(some);
    const inOrder = Int32Array.from({ length: some.length * cache.block }, (_, i) => i);
    const places = whole ? inOrder : mixed(inOrder);
    for (let at = 0; at < places.length; at += size) yield pool.positions(places.subarray(at, at + size));
  }
}

/** A few rows of text, held in memory. */
class Pool {
  readonly #floats = halfFloats();
  readonly #halves: ReadonlyMap<number, Uint16Array>;
  #rows: Int32Array = new Int32Array();

  constructor(
    private readonly cache: StateCache,
    layers: readonly number[],
  ) {
    const { block, hidden } = cache;
    this.#halves = new Map(layers.map((layer) => [layer, new Uint16Array(POOL * block * hidden)]));
  }

  load(rows: Int32Array): void {
    const { block, hidden } = this.cache;
    this.#rows = rows.slice();
    for (const [layer, halves] of this.#halves)
      for (const [i, row] of rows.entries())
        this.cache.readLayer(layer, row, halves.subarray(i * block * hidden, (i + 1) * block * hidden));
  }

  positions(places: Int32Array): Positions {
    const { block, hidden } = this.cache;
    const at = places.map((place) => this.#rows[Math.floor(place / block)]! * block + (place % block));
    return {
      at,
      stream: (layer, into) => {
        const halves = this.#halves.get(layer)!;
        for (const [i, place] of places.entries())
          for (let k = 0; k < hidden; k++) into[i * hidden + k] = this.#floats[halves[place * hidden + k]!]!;
      },
    };
  }
}
