/** Edges of a region as shares of the picture's sides: left, top, right, bottom. */
export type Box = readonly [left: number, top: number, right: number, bottom: number];

/** The overlap of two boxes: the area of their intersection over that of their union. */
export function overlap(a: Box, b: Box): number {
  const side = (i: 0 | 1) => Math.max(0, Math.min(a[i + 2]!, b[i + 2]!) - Math.max(a[i]!, b[i]!));
  const area = ([left, top, right, bottom]: Box) => (right - left) * (bottom - top);
  const shared = side(0) * side(1);
  return shared === 0 ? 0 : shared / (area(a) + area(b) - shared);
}
