import type { ShapeName, TextureName } from "./words.ts";

/** Tests a point of an object, x to the right and y downwards, each from −1 to 1. */
type Inside = (x: number, y: number) => boolean;

/** Faster than Math.hypot by far. */
const reach = (x: number, y: number) => Math.sqrt(x * x + y * y);
const wide = (x: number, y: number) => Math.max(Math.abs(x), Math.abs(y));

/** Outlines by shape; each reaches about as far as the object's square. */
export const outlines: Readonly<Record<ShapeName, Inside>> = {
  square: (x, y) => wide(x, y) < 0.85,
  triangle: (x, y) => y < 0.8 && Math.abs(x) < (y + 0.95) * 0.55,
  star: (x, y) => reach(x, y) < starReach(Math.atan2(x, -y)),
  cross: (x, y) => wide(x, y) < 0.95 && Math.min(Math.abs(x), Math.abs(y)) < 0.32,
  ring: (x, y) => Math.abs(reach(x, y) - 0.72) < 0.26,
  heart: (x, y) => inHeart(1.25 * x, 0.15 - 1.25 * y),
  moon: (x, y) => reach(x, y) < 0.97 && reach(x - 0.5, y) > 0.72,
  arrow: (x, y) => (x < 0.05 ? x > -0.97 && Math.abs(y) < 0.28 : Math.abs(y) < 0.98 - x),
};

const FIFTH = (2 * Math.PI) / 5;

/** The reach of a star of five points at an angle from the upper one: the edge from a point to the notch beside it. */
function starReach(angle: number): number {
  const [point, notch] = [1, 0.42];
  const from = Math.abs((((angle % FIFTH) + 1.5 * FIFTH) % FIFTH) - FIFTH / 2);
  const half = FIFTH / 2;
  return (point * notch * Math.sin(half)) / (point * Math.sin(from) + notch * Math.sin(half - from));
}

const inHeart = (x: number, y: number): boolean => (x * x + y * y - 1) ** 3 < x * x * y ** 3;

/** Tests whether a point has the object's colour; others are near white. u and v are in periods of the texture. */
export const inked: Readonly<Record<TextureName, Inside>> = {
  solid: () => true,
  striped: (u) => fraction(u) < 0.55,
  dotted: (u, v) => reach(fraction(u) - 0.5, fraction(v) - 0.5) > 0.33,
};

const fraction = (value: number): number => value - Math.floor(value);
