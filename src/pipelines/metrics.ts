import { mean } from "../util/mean.ts";

/** One input that both models answered. */
export interface Outcome {
  /** A higher score means an easier input; inputs with NaN go to Super before all others. */
  readonly score: number;
  /** Quality of each answer, 0 to 1. */
  readonly swift: number;
  readonly super: number;
  /**
   * FLOPs, or another cost, of each model's answer; `escalated` is Swift's cost if Super answers, since Swift then
   * stops early.
   */
  readonly cost: { readonly swift: number; readonly super: number; readonly escalated?: number };
}

/** The extra cost of sending an input to Super. */
const extra = ({ cost }: Outcome): number => cost.super + (cost.escalated ?? cost.swift) - cost.swift;

/** The mean quality and mean cost per input, if this share of the inputs goes to Super. */
export interface CurvePoint {
  readonly share: number;
  readonly quality: number;
  readonly cost: number;
}

export const swiftQuality = (outcomes: readonly Outcome[]): number => mean(outcomes.map((o) => o.swift));
export const superQuality = (outcomes: readonly Outcome[]): number => mean(outcomes.map((o) => o.super));

/** NaN scores are below all others. */
const rank = ({ score }: Outcome): number => (Number.isNaN(score) ? Number.NEGATIVE_INFINITY : score);

/**
 * Quality and cost at every share k/n of inputs for Super, the lowest scores first; n + 1 points. Swift begins on every
 * input. Equal scores count as their mean, like a random order among them.
 */
export function curve(outcomes: readonly Outcome[]): CurvePoint[] {
  const ordered = outcomes.toSorted((a, b) => rank(a) - rank(b));
  const gains: { quality: number; cost: number }[] = [];
  for (let from = 0, to = 0; from < ordered.length; from = to) {
    while (to < ordered.length && rank(ordered[to]!) === rank(ordered[from]!)) to++;
    const group = ordered.slice(from, to);
    const gain = { quality: mean(group.map((o) => o.super - o.swift)), cost: mean(group.map(extra)) };
    for (const _ of group) gains.push(gain);
  }
  return summed(outcomes, gains);
}

/** The points of random routing: a straight line from Swift alone to both models on every input. */
export function randomLine(outcomes: readonly Outcome[]): CurvePoint[] {
  const quality = superQuality(outcomes) - swiftQuality(outcomes);
  const cost = mean(outcomes.map(extra));
  return summed(
    outcomes,
    outcomes.map(() => ({ quality, cost })),
  );
}

/** The best router at each share: the inputs with the highest gain go to Super; at equal gain, the cheapest first. */
export function oracleLine(outcomes: readonly Outcome[]): CurvePoint[] {
  const gains = outcomes.map((o) => ({ quality: o.super - o.swift, cost: extra(o) }));
  return summed(
    outcomes,
    gains.toSorted((a, b) => b.quality - a.quality || a.cost - b.cost),
  );
}

function summed(outcomes: readonly Outcome[], gains: readonly { quality: number; cost: number }[]): CurvePoint[] {
  const n = outcomes.length;
  let quality = swiftQuality(outcomes);
  let cost = mean(outcomes.map((o) => o.cost.swift));
  const points: CurvePoint[] = [{ share: 0, quality, cost }];
  for (const [k, gain] of gains.entries()) {
    quality += gain.quality / n;
    cost += gain.cost / n;
    points.push({ share: (k + 1) / n, quality, cost });
  }
  return points;
}

/** Routes by a threshold: inputs that score below it go to Super. */
export function atThreshold(outcomes: readonly Outcome[], threshold: number): CurvePoint {
  const escalated = outcomes.map(({ score }) => !(score >= threshold));
  return {
    share: mean(escalated.map(Number)),
    quality: mean(outcomes.map((o, i) => (escalated[i] ? o.super : o.swift))),
    cost: mean(outcomes.map((o, i) => o.cost.swift + (escalated[i] ? extra(o) : 0))),
  };
}

/** The mean difference in quality between two curves at the same shares. */
export const above = (points: readonly CurvePoint[], other: readonly CurvePoint[]): number =>
  mean(points.map(({ quality }, k) => quality - other[k]!.quality));

/** Each point's recovered share of the quality gap (RouteLLM, arXiv 2406.18665); NaN if there is no gap. */
export function recovered(points: readonly CurvePoint[]): number[] {
  const [weak, strong] = [points[0]!.quality, points.at(-1)!.quality];
  return points.map(({ quality }) => (strong === weak ? Number.NaN : (quality - weak) / (strong - weak)));
}

/** Mean of the recovered gap over all shares, by trapezoids: 0.5 for a random router; NaN if both models are equally good. */
export function apgr(points: readonly CurvePoint[]): number {
  const pgr = recovered(points);
  let area = 0;
  for (let k = 1; k < points.length; k++)
    area += ((pgr[k]! + pgr[k - 1]!) / 2) * (points[k]!.share - points[k - 1]!.share);
  return area;
}

/** The smallest share that recovers `part` of the gap (0.5 for CPT(50 %)); NaN if no share does. */
export function callsNeeded(points: readonly CurvePoint[], part: number): number {
  const pgr = recovered(points);
  const at = pgr.findIndex((value) => value >= part - 1e-12);
  return at < 0 ? Number.NaN : points[at]!.share;
}

/**
 * RouterBench's AIQ (arXiv 2403.12031): the area under the non-decreasing convex hull of (cost, quality), over the range of costs.
 * @throws RangeError without two different costs
 */
export function aiq(points: readonly Pick<CurvePoint, "cost" | "quality">[]): number {
  const hull = upperHull(points);
  const span = hull.at(-1)!.cost - hull[0]!.cost;
  if (!(span > 0)) throw new RangeError("aiq needs points with at least two different costs");
  let area = 0;
  for (let i = 1; i < hull.length; i++) {
    const [a, b] = [hull[i - 1]!, hull[i]!];
    area += ((a.quality + b.quality) / 2) * (b.cost - a.cost);
  }
  return area / span;
}

type Spot = Pick<CurvePoint, "cost" | "quality">;

/** The upper convex hull of quality over cost, flat after the best point. */
function upperHull(points: readonly Spot[]): Spot[] {
  const sorted = points.toSorted((a, b) => a.cost - b.cost || b.quality - a.quality);
  let best = Number.NEGATIVE_INFINITY;
  const hull: Spot[] = [];
  for (const { cost, quality } of sorted) {
    best = Math.max(best, quality);
    const next = { cost, quality: best };
    if (hull.at(-1)?.cost === cost) continue;
    while (hull.length > 1 && !turnsDown(hull.at(-2)!, hull.at(-1)!, next)) hull.pop();
    hull.push(next);
  }
  return hull;
}

const turnsDown = (a: Spot, b: Spot, c: Spot): boolean =>
  (b.quality - a.quality) * (c.cost - b.cost) > (c.quality - b.quality) * (b.cost - a.cost);
