import type { Recipe } from "../../../savings/recipe.ts";
import type { Point } from "../frontier.ts";
import type { Prober } from "./index.ts";
import type { SearchSpec } from "./spec.ts";

/** Neighbours that are nearer than this share of the whole stretch, in quality and saving, are not parted. */
const NEAR = 0.1;
/** Nor are values that are nearer than this share of it. */
const FINEST = 1 / 64;

interface Tried {
  readonly value: number;
  readonly point: Point;
}

/**
 * Tries both ends of a numeric option, then again and again the middle of those neighbours that lie farthest apart in quality and saving,
 * so that the frontier is known evenly: until all are near, or the budget allows no more.
 */
export async function bisect(
  { low, high, whole, at }: Extract<SearchSpec, { kind: "range" }>,
  prober: Prober,
): Promise<Recipe[]> {
  const tried: Tried[] = [];
  for (let value: number | undefined = low; value !== undefined; value = next(tried, high, whole)) {
    if (tried.length > 0 && !prober.budget.allows) break;
    tried.push({ value, point: await prober.measure(at(value), prober.items) });
    tried.sort((a, b) => a.value - b.value);
  }
  return tried.map(({ value }) => at(value));
}

function next(tried: readonly Tried[], high: number, whole: boolean): number | undefined {
  if (tried.length === 1) return high;
  const finest = Math.max(FINEST * (high - tried[0]!.value), whole ? 2 : 0);
  const gaps = tried.slice(1).map((b, i) => ({ a: tried[i]!, b }));
  const wide = gaps.filter(({ a, b }) => b.value - a.value >= finest && apart(tried, a, b) > NEAR);
  const widest = wide.toSorted((x, y) => apart(tried, y.a, y.b) - apart(tried, x.a, x.b))[0];
  if (widest === undefined) return undefined;
  return middleOf(widest.a.value, widest.b.value, whole);
}

/** In few digits where that keeps it apart from both. */
function middleOf(a: number, b: number, whole: boolean): number {
  const middle = (a + b) / 2;
  const short = whole ? Math.round(middle) : Number(middle.toPrecision(6));
  return a < short && short < b ? short : middle;
}

/** The greater of two points' differences in quality and in saving, each as a share of the whole stretch's. */
function apart(tried: readonly Tried[], a: Tried, b: Tried): number {
  const share = (of: keyof Point) => {
    const values = tried.map(({ point }) => point[of]);
    const span = Math.max(...values) - Math.min(...values);
    return span === 0 ? 0 : Math.abs(a.point[of] - b.point[of]) / span;
  };
  return Math.max(share("quality"), share("saved"));
}
