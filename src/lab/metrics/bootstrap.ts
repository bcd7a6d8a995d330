import { seededRandom } from "../../util/random.ts";
import type { Part } from "../metric.ts";

export interface BootstrapOptions {
  readonly seed: number;
  /** 1,000 where nothing else is said. */
  readonly resamples?: number;
}

export type Interval = [low: number, high: number];
type Quality = (parts: readonly Part[]) => number;

/** A metric of all items and its 95 % percentile bootstrap interval over items (Efron 1979), the same for the same seed. */
export function bootstrap(
  parts: readonly Part[],
  quality: Quality,
  options: BootstrapOptions,
): { quality: number; ci95: Interval } {
  const ci95 = intervalOf(parts.length, options, (pick) => quality(pick(parts)));
  return { quality: quality(parts), ci95 };
}

/** How much higher a metric is with `a` than with `b` on the same items, in the same order; both are resampled together. */
export function pairedDelta(
  a: readonly Part[],
  b: readonly Part[],
  quality: Quality,
  options: BootstrapOptions,
): { mean: number; ci95: Interval } {
  if (a.length !== b.length)
    throw new Error(`pairedDelta: expected as many parts of both, got ${a.length} and ${b.length}`);
  const ci95 = intervalOf(a.length, options, (pick) => quality(pick(a)) - quality(pick(b)));
  return { mean: quality(a) - quality(b), ci95 };
}

/** The items of one resample, out of any list as long. */
type Pick = <T>(items: readonly T[]) => T[];

function intervalOf(
  items: number,
  { seed, resamples = 1000 }: BootstrapOptions,
  statistic: (pick: Pick) => number,
): Interval {
  const random = seededRandom(seed);
  const chosen = new Uint32Array(items);
  const statistics = Float64Array.from({ length: resamples }, () => {
    for (let i = 0; i < items; i++) chosen[i] = random() * items;
    return statistic((all) => Array.from(chosen, (i) => all[i]!));
  }).sort();
  return [quantile(statistics, 0.025), quantile(statistics, 0.975)];
}

/** Of sorted numbers, between neighbours in proportion (Hyndman & Fan's type 7, numpy's default). */
function quantile(sorted: Float64Array, q: number): number {
  const at = q * (sorted.length - 1);
  const low = sorted[Math.floor(at)]!;
  return low + (sorted[Math.ceil(at)]! - low) * (at % 1);
}
