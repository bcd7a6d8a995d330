import { type Bindings, type Graph, mul, reshape, sym, type Tensor } from "../../graph/index.ts";
import type { PatchEncoder, PatchEncoderConfig, Patches } from "./patch-encoder.ts";

/** The patches of an image; the patches of a merged square are adjacent. */
export interface PicturePatches {
  /** [squares, merge², channels · frames · side · side] */
  readonly values: Float32Array;
  /** Row and column of each patch. */
  readonly rows: Int32Array;
  readonly columns: Int32Array;
  /** The numbers of rows and columns of squares. */
  readonly grid: readonly [rows: number, columns: number];
}

/** The value of an input of the graph. */
export interface PatchInput {
  readonly shape: readonly number[];
  readonly values: Float32Array | Int32Array | BigInt64Array;
}

const NEXT = 4;

/** The inputs of an encoder's graph; the symbols `rows` and `windows` count squares and windows. */
export function tracePatches(g: Graph, { config, patchWidth }: PatchEncoder): Patches {
  const { merge, windows, positionSide } = config;
  const shape = [sym("rows"), merge ** 2];
  const line = (x: Tensor) => reshape(x, [1, mul(sym("rows"), merge ** 2), ...x.shape.slice(2)]);
  const index = (name: string, of: Tensor["shape"] = shape) => g.input(name, "i64", of);
  const patches = {
    squares: sym("rows"),
    values: line(g.input("patches", "f32", [...shape, patchWidth])),
    rows: line(index("rows")),
    columns: line(index("columns")),
    mask: line(g.input("mask", "i32", shape)),
  };
  const inWindows = [sym("windows"), windows ? mostIn(windows.side, merge) : 0];
  const next = [...shape, NEXT];
  return {
    ...patches,
    ...(windows && {
      windows: {
        patches: index("windows", inWindows),
        mask: g.input("windowMask", "i32", inWindows),
        places: line(index("windowPlaces")),
      },
    }),
    ...(positionSide !== undefined && {
      positions: { next: line(index("nextPositions", next)), shares: line(g.input("positionShares", "f32", next)) },
    }),
  };
}

/** The values of these inputs for an image. */
export function patchInputs(config: PatchEncoderConfig, picture: PicturePatches): Record<string, PatchInput> {
  const { merge, windows, positionSide } = config;
  const { values, rows, columns, grid } = picture;
  const shape = [grid[0] * grid[1], merge ** 2];
  return {
    patches: { shape: [...shape, values.length / rows.length], values },
    rows: { shape, values: BigInt64Array.from(rows, BigInt) },
    columns: { shape, values: BigInt64Array.from(columns, BigInt) },
    mask: { shape, values: new Int32Array(rows.length).fill(1) },
    ...(windows && windowInputs(picture, merge, windows.side)),
    ...(positionSide !== undefined && positionInputs(picture, merge, positionSide)),
  };
}

/** The symbols' values for an image with this grid of squares. */
export const patchCounts = ({ windows }: PatchEncoderConfig, grid: PicturePatches["grid"]): Bindings => ({
  rows: grid[0] * grid[1],
  windows: windows ? windowsOf(grid, windows.side).reduce((all, n) => all * n) : 0,
});

/** The number of windows in each direction. */
const windowsOf = (grid: PicturePatches["grid"], side: number): [down: number, across: number] => [
  Math.ceil(grid[0] / side),
  Math.ceil(grid[1] / side),
];

/** The number of patches in a complete window. */
const mostIn = (side: number, merge: number): number => (side * merge) ** 2;

/** Windows begin at the image's first row and column; windows at the bottom and right edges may have fewer patches. */
function windowInputs({ rows, columns, grid }: PicturePatches, merge: number, side: number) {
  const [down, across] = windowsOf(grid, side);
  const most = mostIn(side, merge);
  const shape = [down * across, most];
  const patches = new BigInt64Array(down * across * most);
  const mask = new Int32Array(patches.length);
  const filled = new Int32Array(down * across);
  const places = new BigInt64Array(rows.length);
  for (const [i, row] of rows.entries()) {
    const [y, x] = [row, columns[i]!].map((at) => Math.floor(at / merge / side)) as [number, number];
    const window = y * across + x;
    const at = window * most + filled[window]!++;
    [patches[at], mask[at], places[i]] = [BigInt(i), 1, BigInt(at)];
  }
  return {
    windows: { shape, values: patches },
    windowMask: { shape, values: mask },
    windowPlaces: { shape: [grid[0] * grid[1], merge ** 2], values: places },
  };
}

/** Weights for bilinear interpolation in which the grid's corners match the corner patches. */
function positionInputs({ rows, columns, grid }: PicturePatches, merge: number, side: number) {
  const next = new BigInt64Array(NEXT * rows.length);
  const shares = new Float32Array(next.length);
  for (const [i, row] of rows.entries()) {
    const down = nextOnAxis(row, grid[0] * merge, side);
    const across = nextOnAxis(columns[i]!, grid[1] * merge, side);
    for (const [j, y] of down.entries())
      for (const [k, x] of across.entries()) {
        const at = NEXT * i + 2 * j + k;
        next[at] = BigInt(y.at * side + x.at);
        shares[at] = y.share * x.share;
      }
  }
  const shape = [grid[0] * grid[1], merge ** 2, NEXT];
  return { nextPositions: { shape, values: next }, positionShares: { shape, values: shares } };
}

/** The two positions around a patch on an axis of `count` patches, and their weights. */
function nextOnAxis(index: number, count: number, side: number): { readonly at: number; readonly share: number }[] {
  const place = Math.fround((index * (side - 1)) / Math.max(1, count - 1));
  const first = Math.floor(place);
  const share = place - first;
  return [
    { at: first, share: 1 - share },
    { at: Math.min(first + 1, side - 1), share },
  ];
}
