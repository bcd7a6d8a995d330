import { mean } from "../../util/mean.ts";
import type { LabelItem } from "../item.ts";
import type { Part } from "../metric.ts";
import { bootstrap, type Interval, pairedDelta } from "../metrics/bootstrap.ts";
import type { ArmRun } from "./arms.ts";

/** An arm's quality and cost, with 95 % bootstrap intervals over items. */
export interface ArmReport {
  readonly arm: string;
  /** Accuracy over all items; an item without a predicted label counts as wrong. */
  readonly accuracy: number;
  readonly ci95: Interval;
  readonly macro_f1: number;
  /** The accuracy gain over the first arm, on the same items. */
  readonly gain: { readonly mean: number; readonly ci95: Interval };
  readonly looked_up: number;
  /** The share of lookups without a result. */
  readonly fallback: number;
  readonly flops_saved: number;
  readonly flops_per_item: number;
  readonly ms_per_item: number;
}

const accuracy = (parts: readonly Part[]): number => mean(parts.map(([right]) => right!));

/** Compares every arm with the first. */
export function reportOf(runs: readonly ArmRun[], items: readonly LabelItem[], seed: number): ArmReport[] {
  const gold = items.map(({ labels, gold }) => labels[gold]!);
  const partsOf = ({ results }: ArmRun) => results.map(({ label }, i): Part => [label === gold[i] ? 1 : 0]);
  const plain = partsOf(runs[0]!);
  return runs.map((run): ArmReport => {
    const parts = partsOf(run);
    const { quality, ci95 } = bootstrap(parts, accuracy, { seed });
    return {
      ...{ arm: run.arm, accuracy: quality, ci95 },
      macro_f1: macroF1(
        gold,
        run.results.map(({ label }) => label),
        items[0]!.labels,
      ),
      gain: pairedDelta(parts, plain, accuracy, { seed }),
      looked_up: mean(run.results.map(({ retrieved }) => Number(retrieved))),
      fallback: mean(run.results.map(({ fallback }) => Number(fallback))),
      flops_saved: run.flops.dense === 0 ? 0 : 1 - run.flops.spent / run.flops.dense,
      flops_per_item: run.flops.spent / items.length,
      ms_per_item: run.ms / items.length,
    };
  });
}

/** The mean of all labels' F1; 0 for a label that no item has and that is never predicted. */
export function macroF1(
  gold: readonly string[],
  predicted: readonly (string | null)[],
  labels: readonly string[],
): number {
  return mean(
    labels.map((label) => {
      const right = gold.filter((it, i) => it === label && predicted[i] === label).length;
      const all = gold.filter((it) => it === label).length + predicted.filter((it) => it === label).length;
      return all === 0 ? 0 : (2 * right) / all;
    }),
  );
}
