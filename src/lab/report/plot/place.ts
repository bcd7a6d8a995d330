/** Places labels beside points in a plane so that none overlaps a point or another label. Units are pixels. */

export interface Box {
  readonly left: number;
  readonly top: number;
  readonly right: number;
  readonly bottom: number;
}

export interface LabelledPoint {
  readonly x: number;
  readonly y: number;
  /** The label's width. */
  readonly width: number;
}

export const LABEL_HEIGHT = 14;
/** Half of a mark's width, plus its margin. */
const REACH = 8;

const RADII = [16, 20, 26, 34, 44, 56, 70, 86, 104, 126, 150, 180, 220, 270];
const ANGLES = Array.from({ length: 24 }, (_, i) => (i * Math.PI) / 12);

export const markOf = ({ x, y }: LabelledPoint): Box => ({
  left: x - REACH,
  top: y - REACH,
  right: x + REACH,
  bottom: y + REACH,
});

export const overlap = (a: Box, b: Box): boolean =>
  a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;

const within = (a: Box, b: Box): boolean =>
  a.left >= b.left && a.right <= b.right && a.top >= b.top && a.bottom <= b.bottom;

/** True if the line from a point to the middle of a box crosses another box (the slab method). */
function crosses({ x, y }: LabelledPoint, to: Box, box: Box): boolean {
  const across = inside(x, (to.left + to.right) / 2 - x, box.left, box.right);
  const along = inside(y, (to.top + to.bottom) / 2 - y, box.top, box.bottom);
  return Math.max(0, across[0], along[0]) < Math.min(1, across[1], along[1]);
}

/** The part of a path from `from` that lies between two bounds, as fractions of the path. */
function inside(from: number, way: number, low: number, high: number): [number, number] {
  if (way === 0) return from > low && from < high ? [0, 1] : [1, 0];
  const [a, b] = [(low - from) / way, (high - from) / way];
  return [Math.min(a, b), Math.max(a, b)];
}

/** Yields places around a point, the nearest first. */
function* places(point: LabelledPoint): Generator<{ box: Box; distance: number }> {
  for (const distance of RADII)
    for (const angle of ANGLES) {
      const x = point.x + Math.cos(angle) * (distance + point.width / 2 - 6);
      const y = point.y + Math.sin(angle) * distance;
      const [w, h] = [point.width / 2, LABEL_HEIGHT / 2];
      yield { box: { left: x - w, top: y - h, right: x + w, bottom: y + h }, distance };
    }
}

/**
 * A box for each point's label, inside the area, clear of all marks and other labels. Takes the nearest free place; a
 * place counts as farther if the label lies on one of `lines` (thin boxes), or its leader crosses a mark or label.
 */
export function placeLabels(points: readonly LabelledPoint[], area: Box, lines: readonly Box[]): Box[] {
  const marks = points.map(markOf);
  const placed: Box[] = [];
  for (const [i, point] of points.entries()) {
    const obstacles = [...marks, ...placed];
    const passed = obstacles.filter((_, j) => j !== i);
    const free = (box: Box) => within(box, area) && !obstacles.some((other) => overlap(other, box));
    const penalty = (box: Box) =>
      10 * lines.filter((line) => overlap(line, box)).length +
      25 * passed.filter((other) => crosses(point, box, other)).length;
    placed.push(nearest(point, free, penalty) ?? markOf(point));
  }
  return placed;
}

function nearest(point: LabelledPoint, free: (box: Box) => boolean, penalty: (box: Box) => number): Box | undefined {
  let [best, least]: [Box | undefined, number] = [undefined, Number.POSITIVE_INFINITY];
  for (const { box, distance } of places(point)) {
    if (distance >= least) break;
    if (!free(box)) continue;
    const cost = distance + penalty(box);
    if (cost < least) [best, least] = [box, cost];
  }
  return best;
}
