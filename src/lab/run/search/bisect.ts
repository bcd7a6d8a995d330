import type { Recipe } from "../../../savings/recipe.ts";
import { UserError } from "../../../util/errors.ts";
import type { Point } from "../frontier.ts";
import type { Prober } from "./index.ts";
import type { SearchSpec } from "./spec.ts";

/** Neighbours closer than this share of the whole range, in quality and saving, are not split. */
const NEAR = 0.1;
/** Neighbours whose values differ by less than this share of the range are not split either. */
const FINEST = 1 / 64;

/** The number of pieces that a gap is cut into if the saving refuses its middle. */
const PIECES = 16;

interface Trial {
  readonly value: number;
  readonly point: Point;
}

type Range = Extract<SearchSpec, { kind: "range" }>;

/**
 * Samples the frontier evenly: tries both ends of a numeric option, then repeatedly the middle (or the nearest value
 * that the saving accepts) between the neighbours that are farthest apart in quality and saving. Stops when all
 * neighbours are close, or the budget is spent.
 */
export async function bisect(range: Range, prober: Prober): Promise<Recipe[]> {
  const trials: Trial[] = [];
  for (const value of [range.low, range.high]) {
    if (trials.length > 0 && !prober.budget.allows) break;
    trials.push({ value, point: await prober.measure(range.at(value), prober.items) });
  }
  /** Tried values; the model accepts no value between one of these and the next tried value. */
  const closed = new Set<number>();
  for (let gap = widest(trials, closed, range); gap && prober.budget.allows; gap = widest(trials, closed, range)) {
    const middle = await between(gap.a.value, gap.b.value, range, prober);
    if (middle === undefined) closed.add(gap.a.value);
    else trials.push(middle);
    trials.sort((a, b) => a.value - b.value);
  }
  return trials.map(({ value }) => range.at(value));
}

interface Gap {
  readonly a: Trial;
  readonly b: Trial;
}

function widest(trials: readonly Trial[], closed: ReadonlySet<number>, { low, high, whole }: Range): Gap | undefined {
  const finest = Math.max(FINEST * (high - low), whole ? 2 : 0);
  const gaps = trials.slice(1).map((b, i) => ({ a: trials[i]!, b }));
  const wide = gaps.filter(({ a, b }) => b.value - a.value >= finest && apart(trials, a, b) > NEAR);
  const open = wide.filter(({ a }) => !closed.has(a.value));
  return open.toSorted((x, y) => apart(trials, y.a, y.b) - apart(trials, x.a, x.b))[0];
}

/** Measures the value nearest to the middle that the saving and the model accept; undefined if they accept no value. */
async function between(a: number, b: number, range: Range, prober: Prober): Promise<Trial | undefined> {
  for (const value of outwards(a, b, range.whole)) {
    const tried = await unlessRefused(async () => ({
      value,
      point: await prober.measure(range.at(value), prober.items),
    }));
    if (tried) return tried;
  }
  return undefined;
}

/** Returns undefined if a setting is not valid; rethrows other errors. */
async function unlessRefused<T>(measure: () => Promise<T>): Promise<T | undefined> {
  try {
    return await measure();
  } catch (error) {
    if (error instanceof UserError && error.exitCode === 2) return undefined;
    throw error;
  }
}

/** Values strictly between two others, starting from the middle. */
function* outwards(a: number, b: number, whole: boolean): Generator<number> {
  const middle = middleOf(a, b, whole);
  yield middle;
  const step = whole ? 1 : (b - a) / PIECES;
  for (let away = step; away < (b - a) / 2 + step; away += step)
    for (const value of [middle - away, middle + away]) if (a < value && value < b) yield value;
}

/** The midpoint, rounded to six digits if the rounded value still lies between the two. */
function middleOf(a: number, b: number, whole: boolean): number {
  const middle = (a + b) / 2;
  const short = whole ? Math.round(middle) : Number(middle.toPrecision(6));
  return a < short && short < b ? short : middle;
}

/** The greater of two points' differences in quality and in saving, each as a share of the whole range. */
function apart(trials: readonly Trial[], a: Trial, b: Trial): number {
  const share = (of: keyof Point) => {
    const values = trials.map(({ point }) => point[of]);
    const span = Math.max(...values) - Math.min(...values);
    return span === 0 ? 0 : Math.abs(a.point[of] - b.point[of]) / span;
  };
  return Math.max(share("quality"), share("saved"));
}
