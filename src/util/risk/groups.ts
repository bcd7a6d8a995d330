import { mean } from "../mean.ts";
import type { Losses, LossType } from "./losses.ts";

/** One item's loss. Items of one group may stand or fall together, such as questions about one document. */
export interface ItemLoss {
  /** A hash of what the group shares: the order of the hashes is random, and the losses have no say in it. */
  readonly group: string;
  readonly loss: number;
}

/** One loss for each group, the mean of its items', in the order of their hashes. A mean of several losses of 0 or 1 is neither. */
export function groupLosses(type: LossType, items: readonly ItemLoss[]): Losses {
  const groups = new Map<string, number[]>();
  for (const { group, loss } of items) groups.set(group, [...(groups.get(group) ?? []), loss]);
  const inOrder = [...groups].toSorted(([a], [b]) => (a < b ? -1 : 1));
  const grouped = type === "binary" && inOrder.some(([, losses]) => losses.length > 1);
  return { type: grouped ? "unit" : type, values: inOrder.map(([, losses]) => mean(losses)) };
}
