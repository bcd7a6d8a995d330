/** The edges of a region as fractions of the picture's sides: left, top, right, bottom. */
export type Box = readonly [left: number, top: number, right: number, bottom: number];

const area = ([left, top, right, bottom]: Box): number => (right - left) * (bottom - top);

/** The area of the intersection of two boxes. */
function shared(a: Box, b: Box): number {
  const side = (i: 0 | 1) => Math.max(0, Math.min(a[i + 2]!, b[i + 2]!) - Math.max(a[i]!, b[i]!));
  return side(0) * side(1);
}

/** The overlap of two boxes: intersection over union. */
export function overlap(a: Box, b: Box): number {
  const both = shared(a, b);
  return both === 0 ? 0 : both / (area(a) + area(b) - both);
}

/** The fraction of the smaller box that is inside the other. */
export const inside = (a: Box, b: Box): number => shared(a, b) / Math.min(area(a), area(b));
