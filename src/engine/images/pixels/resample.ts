import { setImmediate } from "node:timers/promises";
import { CHANNELS, type Pixels } from "./pixels.ts";

/** A filter: its reach, in pixels of the smaller of the two pictures, and its weight at a distance. */
interface Filter {
  readonly reach: number;
  weight(distance: number): number;
}

const filters = {
  bilinear: { reach: 1, weight: (x) => Math.max(0, 1 - Math.abs(x)) },
  bicubic: { reach: 2, weight: (x) => cubic(Math.abs(x)) },
  lanczos: { reach: 3, weight: (x) => (Math.abs(x) < 3 ? sinc(x) * sinc(x / 3) : 0) },
} satisfies Record<string, Filter>;
export type FilterName = keyof typeof filters;

/** The cubic kernel of Keys (1981), with a = −1/2. */
function cubic(x: number): number {
  if (x < 1) return (1.5 * x - 2.5) * x * x + 1;
  return x < 2 ? ((-0.5 * x + 2.5) * x - 4) * x + 2 : 0;
}

const sinc = (x: number): number => (x === 0 ? 1 : Math.sin(Math.PI * x) / (Math.PI * x));

/** A range on one axis of a picture: indices `from` to `from` + `count` − 1 of the scaled `size`. */
export interface Axis {
  readonly size: number;
  readonly from: number;
  readonly count: number;
}

/**
 * Scales a picture and crops the result, like Pillow: the filter widens when the picture shrinks; axes are scaled one
 * after the other, rounded to bytes in between. Computes only the cropped part, and lets other work run in between.
 */
export async function resample(picture: Pixels, across: Axis, down: Axis, filter: FilterName): Promise<Pixels> {
  if (isWhole(across, picture.width) && isWhole(down, picture.height)) return picture;
  const columns = tapsOf(across, picture.width, filters[filter]);
  const rows = tapsOf(down, picture.height, filters[filter]);
  const first = Math.min(...rows.map(({ start }) => start));
  const last = Math.max(...rows.map(({ start, weights }) => start + weights.length));
  const narrow = new Uint8Array((last - first) * across.count * CHANNELS);
  const turns = new Turns();
  for (let y = first; y < last; y++) {
    const line = { data: picture.data, base: y * picture.width * CHANNELS, stride: CHANNELS };
    for (const [x, taps] of columns.entries()) {
      blend(line, taps, narrow, ((y - first) * across.count + x) * CHANNELS);
      if (turns.isOver(taps)) await setImmediate();
    }
  }
  const data = new Uint8Array(down.count * across.count * CHANNELS);
  const stride = across.count * CHANNELS;
  for (const [y, { start, weights }] of rows.entries()) {
    const taps = { start: start - first, weights };
    for (let x = 0; x < across.count; x++) {
      blend({ data: narrow, base: x * CHANNELS, stride }, taps, data, y * stride + x * CHANNELS);
      if (turns.isOver(taps)) await setImmediate();
    }
  }
  return { width: across.count, height: down.count, data };
}

/** The number of weights applied before yielding to other work: a few milliseconds. */
const TURN = 2 ** 20;

class Turns {
  #blended = 0;

  /** Counts a pixel's weights; returns true if other work should run now. */
  isOver({ weights }: Taps): boolean {
    this.#blended += weights.length;
    if (this.#blended < TURN) return false;
    this.#blended = 0;
    return true;
  }
}

/** A whole picture, scaled to a different size. */
export const resized = (picture: Pixels, width: number, height: number, filter: FilterName): Promise<Pixels> =>
  resample(picture, { size: width, from: 0, count: width }, { size: height, from: 0, count: height }, filter);

/** True if an axis keeps its size, so that no filter changes its pixels. */
const isWhole = ({ size, from, count }: Axis, source: number): boolean =>
  size === source && from === 0 && count === source;

/** Weights are rounded to multiples of 1 / UNIT, as in Pillow, so that results have the same bytes. */
const UNIT = 2 ** 22;

/** The source pixels that contribute to one result pixel, starting at `start`, and their weights. */
interface Taps {
  readonly start: number;
  readonly weights: Float64Array;
}

function tapsOf({ size, from, count }: Axis, source: number, { reach, weight }: Filter): Taps[] {
  const scale = source / size;
  const stretch = Math.max(1, scale);
  return Array.from({ length: count }, (_, i) => {
    const centre = (from + i + 0.5) * scale;
    const start = Math.max(0, Math.floor(centre - reach * stretch + 0.5));
    const end = Math.min(source, Math.floor(centre + reach * stretch + 0.5));
    const weights = Float64Array.from({ length: end - start }, (_, t) => weight((start + t - centre + 0.5) / stretch));
    const sum = weights.reduce((a, b) => a + b);
    return { start, weights: weights.map((w) => awayFromZero((w / sum) * UNIT)) };
  });
}

const awayFromZero = (x: number): number => Math.trunc(x + 0.5 * Math.sign(x));

/** Pixels of a picture, `stride` numbers apart. */
interface Line {
  readonly data: Uint8Array;
  readonly base: number;
  readonly stride: number;
}

/** Blends the pixels of a line into the pixel at `to`. */
function blend({ data, base, stride }: Line, { start, weights }: Taps, target: Uint8Array, to: number): void {
  let [red, green, blue] = [0, 0, 0];
  for (let t = 0, at = base + start * stride; t < weights.length; t++, at += stride) {
    const weight = weights[t]!;
    red += weight * data[at]!;
    green += weight * data[at + 1]!;
    blue += weight * data[at + 2]!;
  }
  target[to] = byteOf(red);
  target[to + 1] = byteOf(green);
  target[to + 2] = byteOf(blue);
}

const byteOf = (sum: number): number => Math.max(0, Math.min(255, Math.floor(sum / UNIT + 0.5)));
