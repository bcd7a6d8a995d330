import type { Bound, Losses, LossType } from "../../util/risk/losses.ts";
import { pValue } from "../../util/risk/p-value.ts";
import type { TuningItem } from "./problem.ts";
import { lossesOf } from "./race.ts";
import { grouped, split } from "./split.ts";

/** The least risk that items can certify. */
export interface Outlook {
  readonly items: number;
  readonly groups: number;
  /** The number of groups in the test part. */
  readonly test: number;
  /** The least certified risk if nothing is lost. */
  readonly best: number;
  readonly wanted: GroupsNeeded;
}

/** The minimum number of groups that certify a risk if nothing is lost, and how many of them are tested. */
export interface GroupsNeeded {
  readonly all: number;
  readonly test: number;
}

export function outlookOf(items: readonly TuningItem[], type: LossType, bound: Bound): Outlook {
  const groups = grouped(items);
  const test = split(items, type, bound).test;
  const nothing = lossesOf(
    type,
    test,
    test.map(() => 0),
  );
  return {
    ...{ items: items.length, groups: groups.length, test: grouped(test).length },
    best: leastRisk(nothing, bound.confidence),
    wanted: needed(nothing.type, bound),
  };
}

const certifies = (n: number, type: LossType, bound: Bound): boolean =>
  pValue({ type, values: Array<number>(n).fill(0) }, bound) <= 1 - bound.confidence;

/** The least risk that losses certify, to a hundred-thousandth; 1 if they certify none. */
export function leastRisk(losses: Losses, confidence: number): number {
  let [low, high] = [0, 1];
  while (high - low > 1e-5) {
    const risk = (low + high) / 2;
    if (pValue(losses, { risk, confidence }) <= 1 - confidence) high = risk;
    else low = risk;
  }
  return high;
}

const MOST = 100_000;

export function needed(type: LossType, bound: Bound): GroupsNeeded {
  const tested = (n: number) => {
    const items = Array.from({ length: n }, (_, i) => ({ id: `${i}`, group: `${i}`, tokens: 1 }));
    return split(items, type, bound).test.length;
  };
  const suffices = (n: number) => certifies(tested(n), type, bound);
  let [low, high] = [0, 1];
  while (high < MOST && !suffices(high)) [low, high] = [high, 2 * high];
  while (high - low > 1) {
    const n = Math.floor((low + high) / 2);
    if (suffices(n)) high = n;
    else low = n;
  }
  return { all: high, test: tested(high) };
}

/**
 * The approximate number of test groups that a ladder with such losses needs; undefined if its loss is at, above or
 * barely below the risk.
 */
export function wantedGroups(losses: readonly number[], type: LossType, bound: Bound): number | undefined {
  for (let n = losses.length; n <= 50 * losses.length; n = Math.ceil(n * 1.02) + 1) {
    const values = Array.from({ length: n }, (_, i) => losses[i % losses.length]!);
    if (pValue({ type, values }, bound) <= 1 - bound.confidence) return n;
  }
  return undefined;
}
