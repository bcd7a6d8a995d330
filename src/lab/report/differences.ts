import { metricNamed } from "../metrics/registry.ts";
import type { Result, Summary } from "../results.ts";

/** An item whose quality differs from the baseline's. */
export interface Change {
  readonly item: string;
  readonly before: Result;
  readonly after: Result;
  /** The change in the metric's unit: negative if lower, even where lower is better. */
  readonly gain: number;
}

/** A recipe's changes, item by item. */
export interface Differences {
  readonly better: number;
  readonly same: number;
  readonly worse: number;
  /** The items with the largest losses first. */
  readonly losses: readonly Change[];
}

/** Compares a recipe's results with a baseline's on their common items, item by item. */
export function differences(
  metric: Summary["metric"],
  before: readonly Result[],
  after: readonly Result[],
): Differences {
  const changes = changesOf(metric, before, after);
  const [better, worse] = [changes.filter(({ gain }) => gain > 0), changes.filter(({ gain }) => gain < 0)];
  return {
    ...{ better: better.length, worse: worse.length, same: changes.length - better.length - worse.length },
    losses: worse.sort((a, b) => a.gain - b.gain),
  };
}

function changesOf({ name, better }: Summary["metric"], before: readonly Result[], after: readonly Result[]): Change[] {
  const metric = metricNamed(name);
  const quality = (result: Result) => (better === "higher" ? 1 : -1) * metric.quality([result.parts[name]!]);
  const known = new Map(before.map((result) => [result.item, result]));
  return after.flatMap((result) => {
    const base = known.get(result.item);
    return base ? [{ item: result.item, before: base, after: result, gain: quality(result) - quality(base) }] : [];
  });
}
