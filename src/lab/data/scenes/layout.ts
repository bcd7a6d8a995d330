import { shuffle } from "../../../util/random.ts";
import type { SceneOptions } from "./options.ts";

/** A square of the scene for one object, in pixels, and its grid cell. */
export interface Place {
  readonly x: number;
  readonly y: number;
  readonly side: number;
  readonly cell?: number;
}

const GRID = 3;

/** Names of the cells of a 3 × 3 grid, by row and column. */
export const cellNames = [
  ...["top left", "top", "top right"],
  ...["left", "middle", "right"],
  ...["bottom left", "bottom", "bottom right"],
] as const;

/** Places in a grid, one per cell: for `drawings` objects, and for a row of `digits` adjacent objects. */
export function gridPlaces(
  { size }: SceneOptions,
  drawings: number,
  digits: number,
  random: () => number,
): { drawings: Place[]; digits: Place[] } {
  const row = Math.floor(random() * GRID);
  const first = Math.floor(random() * (GRID - digits + 1));
  const cells = Array.from({ length: digits }, (_, i) => row * GRID + first + i);
  const free = shuffle(
    [...cellNames.keys()].filter((cell) => !cells.includes(cell)),
    random,
  );
  const at = (cell: number) => inCell(size, cell, random);
  return { drawings: free.slice(0, drawings).map(at), digits: cells.map(at) };
}

function inCell(size: number, cell: number, random: () => number): Place {
  const width = size / GRID;
  const side = Math.round(width * (0.65 + 0.3 * random()));
  const along = (start: number) => Math.round(start + random() * (width - side));
  return { x: along((cell % GRID) * width), y: along(Math.floor(cell / GRID) * width), side, cell };
}

/** Random positions and sizes; the more objects, the smaller the maximum size. */
export function freePlaces({ size }: SceneOptions, count: number, random: () => number): Place[] {
  const largest = size * Math.min(0.9, 1.1 / Math.sqrt(count));
  return Array.from({ length: count }, () => {
    const side = Math.round(size * 0.19 + random() * (largest - size * 0.19));
    return { x: Math.floor(random() * (size - side + 1)), y: Math.floor(random() * (size - side + 1)), side };
  });
}
