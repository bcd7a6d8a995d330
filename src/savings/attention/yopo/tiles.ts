import type { Sees } from "../../masks.ts";
import type { VisualSpan } from "../../plan.ts";

/** The side, in cells, of the squares whose queries run together. */
const SIDE = 4;

/**
 * Queries that run together, with every key that any of them sees, as cache entries. All tiles have equal sizes: queries are
 * repeated and extra keys masked.
 */
export interface Tiles {
  readonly count: number;
  readonly queriesEach: number;
  readonly keysEach: number;
  /** [count · queriesEach]. */
  readonly queries: readonly number[];
  /** [count · keysEach]. */
  readonly keys: readonly number[];
  /** [count, queriesEach, keysEach]: 0, or −∞ for a key that the query does not see. */
  readonly mask: Float32Array;
}

/** A tile before padding. */
interface Tile {
  readonly queries: readonly number[];
  readonly keys: readonly number[];
}

/** The range in which visual tokens see each other. */
export interface Reach {
  /** The maximum distance in rows and columns; ∞ for no limit. */
  readonly radius: number;
  /** True if only earlier tokens are visible. */
  readonly causal: boolean;
}

/** A cell of an image, and its entry in a layer's cache. */
interface Cell {
  readonly entry: number;
  readonly row: number;
  readonly column: number;
}

/** The entries of a prompt in a layer's cache: text, and the cells of each image. */
export class Entries {
  readonly text: readonly number[];
  readonly images: readonly (readonly Cell[])[];
  /** The image and cell of each entry. */
  readonly #cells = new Map<number, { readonly image: number; readonly cell: Cell }>();

  constructor(visual: readonly VisualSpan[], positions: readonly number[]) {
    this.images = visual.map((span) => cellsOf(span, positions));
    for (const [image, cells] of this.images.entries())
      for (const cell of cells) this.#cells.set(cell.entry, { image, cell });
    this.text = Array.from(positions.keys()).filter((entry) => !this.#cells.has(entry));
  }

  /**
   * Text sees everything before it. A visual token sees the text before it and its neighbours in its own image, or
   * everything before it with an unlimited reach.
   */
  sees({ radius, causal }: Reach): Sees {
    return (query, key) => {
      const [from, to] = [this.#cells.get(query), this.#cells.get(key)];
      if (!from || !to) return key <= query;
      if (from.image !== to.image) return radius === Number.POSITIVE_INFINITY && key <= query;
      const near = (a: number, b: number) => Math.abs(a - b) <= radius;
      const { row, column } = from.cell;
      return near(row, to.cell.row) && near(column, to.cell.column) && (!causal || key <= query);
    };
  }
}

/** True if the position belongs to one of the image's tokens. */
export const isIn = ({ first, grid: [rows, columns] }: VisualSpan, position: number): boolean =>
  position >= first && position < first + rows * columns;

function cellsOf(span: VisualSpan, positions: readonly number[]): Cell[] {
  const columns = span.grid[1];
  return positions.flatMap((position, entry) => {
    const cell = position - span.first;
    return isIn(span, position) ? [{ entry, row: Math.floor(cell / columns), column: cell % columns }] : [];
  });
}

/** All text queries as one tile; if `visual` is false, without visual keys. */
export function textTiles(entries: Entries, visual: boolean, reach: Reach): Tiles {
  const { text, images } = entries;
  const keys = visual ? [...text, ...images.flat().map(({ entry }) => entry)] : text;
  return filled([{ queries: text, keys }], entries.sees(reach));
}

/** Tiles of visual queries: squares of neighbours, or a whole image each if the reach is unlimited. */
export function visualTiles(entries: Entries, reach: Reach): Tiles {
  const tiles = entries.images.flatMap((cells, i) => {
    // With an unlimited reach, images see earlier images.
    const others = reach.radius === Number.POSITIVE_INFINITY ? entries.images.slice(0, i).flat() : [];
    const first = cells[0]?.entry ?? 0;
    const before = [...entries.text.filter((entry) => entry < first), ...others.map(({ entry }) => entry)];
    return squares(cells, reach.radius).map(({ queries, keys }) => ({ queries, keys: [...before, ...keys] }));
  });
  return filled(tiles, entries.sees(reach));
}

function squares(cells: readonly Cell[], radius: number): Tile[] {
  const all = cells.map(({ entry }) => entry);
  if (radius === Number.POSITIVE_INFINITY) return cells.length > 0 ? [{ queries: all, keys: all }] : [];
  return squaresOf(cells).map((group) => {
    const within = (of: (cell: Cell) => number) => {
      const values = group.map(of);
      const [least, most] = [Math.min(...values) - radius, Math.max(...values) + radius];
      return (cell: Cell) => of(cell) >= least && of(cell) <= most;
    };
    const [rows, columns] = [within(({ row }) => row), within(({ column }) => column)];
    const near = cells.filter((cell) => rows(cell) && columns(cell));
    return { queries: group.map(({ entry }) => entry), keys: near.map(({ entry }) => entry) };
  });
}

function squaresOf(cells: readonly Cell[]): Cell[][] {
  const groups = new Map<string, Cell[]>();
  for (const cell of cells) {
    const square = `${Math.floor(cell.row / SIDE)} ${Math.floor(cell.column / SIDE)}`;
    groups.set(square, [...(groups.get(square) ?? []), cell]);
  }
  return [...groups.values()];
}

function filled(tiles: readonly Tile[], sees: Sees): Tiles {
  const most = (of: (tile: Tile) => readonly number[]) =>
    tiles.reduce((max, tile) => Math.max(max, of(tile).length), 0);
  const [queriesEach, keysEach] = [most(({ queries }) => queries), most(({ keys }) => keys)];
  const mask = new Float32Array(tiles.length * queriesEach * keysEach).fill(Number.NEGATIVE_INFINITY);
  for (const [t, { queries, keys }] of tiles.entries())
    for (let i = 0; i < queriesEach; i++) {
      const query = queries[i] ?? queries[0]!;
      const row = (t * queriesEach + i) * keysEach;
      for (const [j, key] of keys.entries()) if (sees(query, key)) mask[row + j] = 0;
    }
  const repeated = (of: (tile: Tile) => readonly number[], each: number) =>
    tiles.flatMap((tile) => Array.from({ length: each }, (_, i) => of(tile)[i] ?? of(tile)[0]!));
  return {
    ...{ count: tiles.length, queriesEach, keysEach, mask },
    queries: repeated(({ queries }) => queries, queriesEach),
    keys: repeated(({ keys }) => keys, keysEach),
  };
}
