import { seededRandom } from "../../util/random.ts";
import type { ItemKind } from "../item.ts";
import type { Metric, Part } from "../metric.ts";

export interface BootstrapOptions {
  readonly seed: number;
  /** The number of resamples; 1,000 by default. */
  readonly resamples?: number;
  /** The metric's own function for resamples, which shares work between them. */
  readonly resampled?: Metric<ItemKind>["resampled"];
}

export type Interval = [low: number, high: number];

/** An estimate with its 95 % bootstrap interval over items. */
export interface Estimate {
  readonly mean: number;
  readonly ci95: Interval;
}
type Quality = (parts: readonly Part[]) => number;

/**
 * A metric over all items and its 95 % percentile bootstrap interval over items (Efron 1979), determined by the seed.
 * If all shares are 0, or all are 1, resampling cannot vary them, so Wilson's interval is used.
 */
export function bootstrap(
  parts: readonly Part[],
  quality: Quality,
  options: BootstrapOptions,
): { quality: number; ci95: Interval } {
  const alike = areShares(parts, quality) ? ofAlike(parts.map(([share]) => share!)) : undefined;
  return {
    quality: quality(parts),
    ci95:
      alike ?? (options.resampled ? counted(parts, options) : interval([parts], ([some]) => quality(some!), options)),
  };
}

/**
 * The difference of a metric between `a` and `b` on the same items, in the same order, resampled together. If all
 * differences are 0, or all are 1, the interval is Wilson's.
 */
export function pairedDelta(
  a: readonly Part[],
  b: readonly Part[],
  quality: Quality,
  options: BootstrapOptions,
): { mean: number; ci95: Interval } {
  if (a.length !== b.length)
    throw new Error(`pairedDelta: expected equal numbers of parts, got ${a.length} and ${b.length}`);
  const shares = areShares(a, quality) && areShares(b, quality);
  const alike = shares
    ? ofAlike(
        a.map(([share], i) => share! - b[i]![0]!),
        -1,
      )
    : undefined;
  const ci95 = alike ?? interval([a, b], ([x, y]) => quality(x!) - quality(y!), options);
  return { mean: quality(a) - quality(b), ci95 };
}

/** True if each item's quality is a share from 0 to 1: a hit or a miss, an F1, a gain. */
const areShares = (parts: readonly Part[], quality: Quality): boolean =>
  parts.every((part) => part.length === 1 && part[0]! >= 0 && part[0]! <= 1 && quality([part]) === part[0]);

/** The interval if all values are the same whole number from `least` to 1; otherwise undefined. */
function ofAlike(values: readonly number[], least = 0): Interval | undefined {
  const [value] = values;
  if (value === undefined || !Number.isInteger(value) || values.some((other) => other !== value)) return undefined;
  const more = unseen(values.length);
  return [Math.max(least, value - more), Math.min(1, value + more)];
}

/** Resamples by counting how often each item is drawn. */
function counted(parts: readonly Part[], options: BootstrapOptions): Interval {
  const judge = options.resampled!(parts);
  const places = parts.map((_, i): Part => [i]);
  const times = new Uint32Array(parts.length);
  const judged = ([drawn]: readonly (readonly Part[])[]) => {
    times.fill(0);
    for (const [place] of drawn!) times[place!]!++;
    return judge(times);
  };
  return interval([places], judged, options);
}

/** Resamples lists of the same items together, into lists that each resample overwrites. */
function interval(
  lists: readonly (readonly Part[])[],
  statistic: (resampled: readonly (readonly Part[])[]) => number,
  { seed, resamples = 1000 }: BootstrapOptions,
): Interval {
  const random = seededRandom(seed);
  const resampled = lists.map((list) => [...list]);
  const statistics = new Float64Array(resamples);
  for (let r = 0; r < resamples; r++) {
    draw(lists, resampled, random);
    statistics[r] = statistic(resampled);
  }
  statistics.sort();
  return [quantile(statistics, 0.025), quantile(statistics, 0.975)];
}

function draw(from: readonly (readonly Part[])[], to: readonly Part[][], random: () => number): void {
  const items = to[0]!.length;
  for (let i = 0; i < items; i++) {
    const chosen = Math.floor(random() * items);
    for (let list = 0; list < to.length; list++) to[list]![i] = from[list]![chosen]!;
  }
}

/** A quantile of sorted numbers, interpolated linearly (Hyndman & Fan's type 7, numpy's default). */
function quantile(sorted: Float64Array, q: number): number {
  const at = q * (sorted.length - 1);
  const low = sorted[Math.floor(at)]!;
  return low + (sorted[Math.ceil(at)]! - low) * (at % 1);
}

/** Square of the normal distribution's 97.5 % quantile. */
const Z2 = 1.959964 ** 2;

/**
 * The upper bound on the rate of an event not seen in n items: the upper end of Wilson's 95 % score interval for 0 of n
 * (1927).
 */
export const unseen = (n: number): number => Z2 / (n + Z2);
