import { UserError } from "../../util/errors.ts";
import { ranksOf } from "../../util/ranks.ts";
import type { TrainOptions } from "../options.ts";
import { measureOf } from "../session/evaluation.ts";
import type { StepReport } from "../session/run.ts";
import type { ScoredTask } from "../session/tasks.ts";
import { type Early, earlyOf } from "./early.ts";
import type { Rung } from "./rungs.ts";
import type { ScreenOptions } from "./screen-options.ts";

/** A run of a sweep, with its steps so far. */
export interface WatchedRun {
  readonly out: string;
  /** Steps of the whole run. */
  readonly steps: number;
  readonly done: readonly StepReport[];
}

/** The measure that ranks a sweep's runs. */
export interface Measure {
  /** The option `best`. */
  readonly best: string;
  readonly tasks: readonly ScoredTask[];
}

/** The step that a run has reached at a share of its length. */
export const stepAt = (share: number, steps: number): number => Math.ceil(share * steps - 1e-9);

const until = ({ done, steps }: WatchedRun, share: number): StepReport[] =>
  done.filter(({ step }) => step <= stepAt(share, steps));

/** A run's best (lowest) measure up to a share of its steps; undefined without an evaluation. */
export function measured(run: WatchedRun, share: number, { best, tasks }: Measure): number | undefined {
  const all = until(run, share).flatMap((report) => measureOf(report, best, tasks) ?? []);
  return all.length > 0 ? Math.min(...all) : undefined;
}

/** A run ranked by the rule of arXiv 2412.13337. */
export interface RankedRun extends Early {
  readonly out: string;
  /** The weighted sum of the run's ranks (lower is better); null if the run has a fault. */
  readonly score: number | null;
}

/** Ranks runs by their early loss and gradient norm, the most promising first. */
export function rankedBy(options: ScreenOptions, window: number, runs: readonly WatchedRun[]): RankedRun[] {
  const early = runs.map((run) => earlyOf(until(run, window)));
  const scores = paperScores(early, options);
  const order = runs.map((_, i) => i).sort((a, b) => compare(scores[a]!, scores[b]!));
  return order.map((i) => ({
    out: runs[i]!.out,
    ...early[i]!,
    score: Number.isFinite(scores[i]!) ? scores[i]! : null,
  }));
}

const compare = (a: number, b: number): number => (a === b ? 0 : a - b);

/** The runs that continue after a rung, the best first. */
export function survivors(
  { share, keep }: Rung,
  runs: readonly WatchedRun[],
  options: ScreenOptions,
  measure: Measure,
): WatchedRun[] {
  if (options.mode === "paper") {
    const ranked = rankedBy(options, share, runs);
    const sound = ranked.filter(({ score }) => score !== null);
    const best = (sound.length > 0 ? sound : ranked).slice(0, keep);
    return best.map(({ out }) => runs.find((run) => run.out === out)!);
  }
  const measures = new Map(runs.map((run) => [run, measured(run, share, measure) ?? Number.POSITIVE_INFINITY]));
  return runs.toSorted((a, b) => compare(measures.get(a)!, measures.get(b)!)).slice(0, keep);
}

/** Checks that a rung can compare runs. @throws UserError if no run has been measured by that rung */
export function checkMeasured(runs: readonly WatchedRun[], { share }: Rung, measure: Measure): void {
  if (runs.length === 0 || runs.some((run) => measured(run, share, measure) !== undefined)) return;
  const step = stepAt(share, runs[0]!.steps);
  throw new UserError(`screen: ${measure.best} is not measured by step ${step}; set mode to paper or report`);
}

/** Checks that a run is evaluated by the first rung. @throws UserError if it is not */
export function checkEvaluations(
  { options, steps }: { readonly options: TrainOptions; readonly steps: number },
  [first]: readonly Rung[],
  { best }: Measure,
): void {
  const step = first && stepAt(first.share, steps);
  if (step !== undefined && options.evaluateEvery > step)
    throw new UserError(`screen: the first cut is at step ${step}; set evaluateEvery to at most ${step}`);
  if (best === "loss" && options.validation === 0)
    throw new UserError("screen: halving compares the held-out loss; set validation above 0");
}

/**
 * Scores runs; lower is better. A score is the weighted sum of two ranks: by early loss, highest first, and by gradient
 * norm, lowest first. arXiv 2412.13337 observes that better runs begin with higher losses and lower norms, but gives no
 * rule; the sum of ranks is ours. The score of a faulty run is Infinity.
 */
function paperScores(runs: readonly Early[], { lossWeight, normWeight }: ScreenOptions): number[] {
  const sound = runs.filter(({ fault }) => fault === undefined);
  const byLoss = ranksOf(sound.map(({ loss }) => -loss));
  const byNorm = ranksOf(sound.map(({ norm }) => norm));
  const scores = new Map(sound.map((run, i) => [run, lossWeight * byLoss[i]! + normWeight * byNorm[i]!]));
  return runs.map((run) => scores.get(run) ?? Number.POSITIVE_INFINITY);
}
