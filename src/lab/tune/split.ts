import { binomialCdf } from "../../util/risk/binomial.ts";
import type { Bound, LossType } from "../../util/risk/losses.ts";
import type { TuningItem } from "./problem.ts";

/** The search items and the test items, each in the order of their groups. */
export interface Parts<T> {
  readonly search: readonly T[];
  readonly test: readonly T[];
}

/**
 * Assigns a third of the groups to the search and the rest to the test, in the order of their hashes: there is no seed
 * to vary. If every loss is 0 or 1, the test part is cut to the largest size at which it tolerates one more loss; the
 * remaining groups join the search.
 */
export function split<T extends TuningItem>(items: readonly T[], type: LossType, bound: Bound): Parts<T> {
  const groups = grouped(items);
  const size = groups.length - Math.floor(groups.length / 3);
  const alone = groups.every((group) => group.length === 1);
  const tested = type === "binary" && alone ? usefulSize(size, bound) : size;
  const searched = groups.length - tested;
  return { search: groups.slice(0, searched).flat(), test: groups.slice(searched).flat() };
}

/** Groups of items, in the order of the groups' hashes. */
export function grouped<T extends TuningItem>(items: readonly T[]): T[][] {
  const groups = new Map<string, T[]>();
  for (const item of items) groups.set(item.group, [...(groups.get(item.group) ?? []), item]);
  return [...groups].toSorted(([a], [b]) => (a < b ? -1 : 1)).map(([, group]) => group);
}

/** The largest size up to `n` at which the number of losses that can be certified rises; `n` if no size certifies. */
function usefulSize(n: number, { risk, confidence }: Bound): number {
  let useful = n;
  for (let lost = 0, size = 1; size <= n; lost++) {
    while (size <= n && binomialCdf(lost, size, risk) > 1 - confidence) size++;
    if (size <= n) useful = size;
  }
  return useful;
}
