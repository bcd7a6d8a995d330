import { mean } from "../mean.ts";
import type { Losses, LossType } from "./losses.ts";

/** One item's loss. Losses within a group may be dependent, such as for questions about the same document. */
export interface ItemLoss {
  /** A hash of the items' common content. Sorting by it gives a random order, independent of the losses. */
  readonly group: string;
  readonly loss: number;
}

/**
 * One loss per group, the mean of its items' losses, in the order of the hashes. The mean of several binary losses may lie
 * between 0 and 1.
 */
export function groupLosses(type: LossType, items: readonly ItemLoss[]): Losses {
  const groups = new Map<string, number[]>();
  for (const { group, loss } of items) groups.set(group, [...(groups.get(group) ?? []), loss]);
  const inOrder = [...groups].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const grouped = type === "binary" && inOrder.some(([, losses]) => losses.length > 1);
  return { type: grouped ? "unit" : type, values: inOrder.map(([, losses]) => mean(losses)) };
}
