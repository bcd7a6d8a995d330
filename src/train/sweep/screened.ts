import { existsSync } from "node:fs";
import { spearman } from "../../util/ranks.ts";
import { type KeptState, latestState } from "../checkpoint/state.ts";
import { readTrainedRun } from "../report/run.ts";
import { receiptFile } from "../session/folder.ts";
import { costOf, type Rung } from "./rungs.ts";
import { type Measure, measured, type RankedRun, rankedBy, stepAt, type WatchedRun } from "./screen.ts";
import type { ScreenOptions } from "./screen-options.ts";

/** A screen's findings, and the compute that it saved. */
export interface ScreenReport {
  readonly mode: ScreenOptions["mode"];
  /** The share of each run's steps in the first window. */
  readonly window: number;
  /** All runs, ranked by early loss and gradient norm, the most promising first, regardless of the rule in use. */
  readonly ranking: readonly RankedRun[];
  /** Rank correlations with the best measure of completed runs; null for fewer than three runs. */
  readonly agreement: { readonly loss: number | null; readonly norm: number | null; readonly measure: number | null };
  /** The cost, as a share of the cost of running all runs to the end. */
  readonly cost: {
    /** The share expected from the rungs alone, if all runs cost the same: (k + (K − k)·φ) / K for one rung. */
    readonly planned: number;
    /** The share in FLOPs; a stopped run's remaining steps are estimated from the steps that it ran. */
    readonly flops: number;
  };
}

/** Summarises a screened sweep. */
export function screenedOf(
  options: ScreenOptions,
  window: number,
  rungs: readonly Rung[],
  runs: readonly WatchedRun[],
  measure: Measure,
): ScreenReport {
  const watched = runs.filter(({ done, steps }) => done.length >= stepAt(window, steps));
  const ranking = rankedBy(options, window, watched);
  const bills = runs.map(billOf);
  const sum = (of: (bill: Bill) => number) => bills.reduce((total, bill) => total + of(bill), 0);
  return {
    ...{ mode: options.mode, window, ranking },
    agreement: agreementOf(ranking, watched, window, measure),
    cost: { planned: costOf(rungs, runs.length), flops: sum(({ spent }) => spent) / sum(({ whole }) => whole) },
  };
}

interface Bill {
  readonly spent: number;
  /** The FLOPs of the whole run, had it continued to its end. */
  readonly whole: number;
}

function billOf({ out, steps, done }: WatchedRun): Bill {
  const { receipt } = readTrainedRun(out);
  if (receipt) return { spent: receipt.flops.spent, whole: receipt.flops.spent };
  const stages = [...new Set(done.map(({ stage }) => stage))];
  const states = stages.flatMap((stage) => latestState(out, stage) ?? []);
  const sum = (of: (state: KeptState) => number) => states.reduce((total, state) => total + of(state), 0);
  const [ran, spent] = [
    sum(({ step }) => step),
    sum(({ counters: { forward = 0, backward = 0 } }) => forward + backward),
  ];
  return { spent, whole: ran === 0 ? 0 : (spent * steps) / ran };
}

/** Correlations over completed runs; a positive one means that the figure predicts a better (lower) measure. */
function agreementOf(
  ranking: readonly RankedRun[],
  runs: readonly WatchedRun[],
  window: number,
  measure: Measure,
): ScreenReport["agreement"] {
  const whole = ranking.flatMap((ranked) => {
    const run = runs.find(({ out }) => out === ranked.out)!;
    const [early, final] = [measured(run, window, measure), measured(run, 1, measure)];
    return existsSync(receiptFile(run.out)) && final !== undefined ? [{ ...ranked, early, final }] : [];
  });
  const quality = whole.map(({ final }) => -final);
  const correlation = (values: readonly (number | undefined)[]) =>
    whole.length < 3 || values.includes(undefined) ? null : spearman(values as number[], quality);
  return {
    loss: correlation(whole.map(({ loss }) => loss)),
    norm: correlation(whole.map(({ norm }) => -norm)),
    measure: correlation(whole.map(({ early }) => early && -early)),
  };
}

/** The reason why a run was stopped at a rung. */
export function reasonOf(run: WatchedRun, { share }: Rung, { mode }: ScreenOptions, measure: Measure): string {
  const at = `screened out at step ${stepAt(share, run.steps)} of ${run.steps}`;
  if (mode === "paper") return `${at} by its early loss and gradient norm`;
  const value = measured(run, share, measure);
  return `${at}: ${measure.best} ${value === undefined ? "not measured" : Math.abs(value).toFixed(4)}`;
}
