/** What a recipe is judged by: its quality, and the share of dense's FLOPs that it does not spend. */
export interface Point {
  readonly quality: number;
  readonly saved: number;
}

/** Which points no other beats: none is as good in both and better in one. */
export function onFrontier(points: readonly Point[], better: "higher" | "lower"): boolean[] {
  const sign = better === "higher" ? 1 : -1;
  const beats = (a: Point, b: Point) =>
    sign * a.quality >= sign * b.quality && a.saved >= b.saved && (a.quality !== b.quality || a.saved !== b.saved);
  return points.map((point) => !points.some((other) => beats(other, point)));
}
