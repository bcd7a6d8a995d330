/** What a recipe is judged by: its quality, and the share of dense's FLOPs that it does not spend. */
export interface Point {
  readonly quality: number;
  readonly saved: number;
}

/** Whether `a` is as good as `b` in both and better in one. */
export function beats(a: Point, b: Point, better: "higher" | "lower"): boolean {
  const gain = better === "higher" ? a.quality - b.quality : b.quality - a.quality;
  return gain >= 0 && a.saved >= b.saved && (gain > 0 || a.saved > b.saved);
}

/** Which points no other beats. */
export const onFrontier = (points: readonly Point[], better: "higher" | "lower"): boolean[] =>
  points.map((point) => !points.some((other) => beats(other, point, better)));
