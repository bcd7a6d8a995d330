/** A recipe's quality, and the share of dense's FLOPs that it saves. */
export interface Point {
  readonly quality: number;
  readonly saved: number;
}

/** True if `a` is at least as good as `b` in quality and in saving, and better in one of them. */
export function beats(a: Point, b: Point, better: "higher" | "lower"): boolean {
  const gain = better === "higher" ? a.quality - b.quality : b.quality - a.quality;
  return gain >= 0 && a.saved >= b.saved && (gain > 0 || a.saved > b.saved);
}

/** The points that no other point beats. */
export const onFrontier = (points: readonly Point[], better: "higher" | "lower"): boolean[] =>
  points.map((point) => !points.some((other) => beats(other, point, better)));
