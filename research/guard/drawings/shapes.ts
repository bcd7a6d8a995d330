import { seededRandom } from "../../../src/util/random.ts";

/** Pixels of a drawing's side. */
export const SIDE = 12;
/** The number of sample points along a pixel's side. */
const POINTS = 4;

/** A shape's place: its centre, its reach, and a number that some shapes use, all drawn at random. */
interface Place {
  readonly x: number;
  readonly y: number;
  readonly reach: number;
  readonly extra: number;
}

type Inside = (x: number, y: number, place: Place) => boolean;

const wide = (x: number, y: number) => Math.max(Math.abs(x), Math.abs(y));
const thick = (reach: number) => 0.35 * reach;

/** Tests of a point, measured from the centre, by shape. */
const shapes = {
  disk: (x, y, { reach }) => Math.hypot(x, y) < reach,
  square: (x, y, { reach }) => wide(x, y) < 0.9 * reach,
  cross: (x, y, { reach }) => wide(x, y) < reach && Math.min(Math.abs(x), Math.abs(y)) < thick(reach),
  ring: (x, y, { reach }) => Math.abs(Math.hypot(x, y) - 0.75 * reach) < 0.25 * reach,
  stripes: (x, y, { extra }) => (x + y + 4 * extra + 400) % 4 < 2,
} satisfies Record<string, Inside>;
export type ShapeName = keyof typeof shapes;
export const shapeNames = Object.keys(shapes) as ShapeName[];

/** A grey drawing as bytes, [side, side]. */
export interface Drawing {
  readonly label: string;
  readonly side: number;
  readonly bytes: Uint8Array;
}

/** Drawings of a shape: place, size and brightness vary. The same seed gives the same drawings. */
export function drawShapes(label: ShapeName, count: number, seed: number): Drawing[] {
  const random = seededRandom(seed * shapeNames.length + shapeNames.indexOf(label));
  return Array.from({ length: count }, () => {
    const within = (from: number, to: number) => from + (to - from) * random();
    const place = { x: within(5, 7), y: within(5, 7), reach: within(3, 5), extra: random() };
    return { label, side: SIDE, bytes: painted(shapes[label], place, within(0.75, 1)) };
  });
}

function painted(inside: Inside, place: Place, bright: number): Uint8Array {
  const covered = (pixelX: number, pixelY: number) => {
    let count = 0;
    for (let i = 0; i < POINTS ** 2; i++) {
      const [dx, dy] = [((i % POINTS) + 0.5) / POINTS, (Math.floor(i / POINTS) + 0.5) / POINTS];
      if (inside(pixelX + dx - place.x, pixelY + dy - place.y, place)) count++;
    }
    return count / POINTS ** 2;
  };
  return Uint8Array.from({ length: SIDE * SIDE }, (_, i) =>
    Math.round(255 * bright * covered(i % SIDE, Math.floor(i / SIDE))),
  );
}
