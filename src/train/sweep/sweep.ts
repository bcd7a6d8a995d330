import path from "node:path";
import { readTrainedRun, summaryOf, type TrainingSummary } from "../report/run.ts";
import { reportRuns, type TrainingReport } from "../report/write.ts";
import { measureOf } from "../session/evaluation.ts";
import type { Session } from "../session/session.ts";
import type { LabTasks } from "../session/tasks.ts";
import type { Base } from "../subject/subject.ts";
import { readSweep, type Setting } from "./grid.ts";
import { rungsOf, windowOf } from "./rungs.ts";
import { checkEvaluations, checkMeasured, type Measure, stepAt, survivors, type WatchedRun } from "./screen.ts";
import type { ScreenOptions } from "./screen-options.ts";
import { reasonOf, type ScreenReport, screenedOf } from "./screened.ts";
import { type Around, advanceRuns, planned, type SweepEvents, type SweepRun } from "./sweep-run.ts";

/**
 * A sweep's runs, the best first, ranked by the best held-out loss, or by the last score of the task that `best` names.
 */
export interface SweepResult extends TrainingReport {
  readonly out: string;
  /** Runs that were screened out, and runs whose loss or gradient was not finite. */
  readonly stopped: readonly StoppedRun[];
  /** Absent if the sweep has no screen. */
  readonly screen?: ScreenReport;
}

interface StoppedRun {
  readonly out: string;
  readonly reason: string;
}

export interface SweepSession extends Pick<Session, "labTasks">, Pick<Around, "elsewhere"> {
  readonly sweep: unknown;
  readonly out: string;
}

/**
 * Trains every combination of a grid, each in its folder within `out`. Finished runs are skipped; stopped ones resume.
 * All runs are checked before the first begins; a run without a finite loss does not end the sweep. A screened sweep
 * stops runs at its rungs; they remain resumable.
 * @throws UserError
 */
export async function runSweep(
  { sweep, out, labTasks, elsewhere }: SweepSession,
  openBase: (model: string) => Promise<Base>,
  events: SweepEvents,
  signal?: AbortSignal,
): Promise<SweepResult> {
  const around: Around = { labTasks, openBase, events, signal, elsewhere };
  const { settings, screen } = readSweep(sweep);
  const runs: SweepRun[] = [];
  for (const [i, setting] of settings.entries()) runs.push(await planned(setting, i, settings.length, out, around));
  const measure = await measureIn(settings, labTasks);
  const { remaining, stopped, screened } = await screenRuns(runs, screen, measure, around);
  await advanceRuns(remaining, around);
  const done = runs.map(({ folder }) => summaryOf(readTrainedRun(folder))).sort(orderBy(measure));
  const folders = done.map((run) => run.out);
  const report = await reportRuns(folders, path.join(out, "report.html"));
  const faults = runs.flatMap((run) => (run.fault === undefined ? [] : [{ out: run.folder, reason: run.fault }]));
  const result = { out, ...report, stopped: [...stopped, ...faults] };
  return screened ? { ...result, screen: screened(runs.map((run) => run.watched())) } : result;
}

/** Advances all runs through the screen's first steps, and stops the less promising runs. */
async function screenRuns(runs: readonly SweepRun[], screen: ScreenOptions, measure: Measure, around: Around) {
  if (screen.mode === "off") return { remaining: runs, stopped: [], screened: undefined };
  const steps = runs.map((run) => run.steps);
  const window = windowOf(screen, steps);
  const rungs = rungsOf(screen, runs.length, window);
  if (screen.mode === "halving") for (const run of runs) checkEvaluations(run, rungs, measure);
  const stopped: StoppedRun[] = [];
  let remaining = runs;
  for (const rung of rungs) {
    await advanceRuns(remaining, around, (run) => stepAt(rung.share, run.steps));
    const watched = remaining.filter(({ fault }) => fault === undefined).map((run) => run.watched());
    if (screen.mode === "halving") checkMeasured(watched, rung, measure);
    const retained = survivors(rung, watched, screen, measure).map(({ out }) => out);
    const dropped = watched.filter(({ out }) => !retained.includes(out));
    stopped.push(...dropped.map((run) => ({ out: run.out, reason: reasonOf(run, rung, screen, measure) })));
    remaining = remaining.filter(({ folder }) => retained.includes(folder));
  }
  return { remaining, stopped, screened: (all: WatchedRun[]) => screenedOf(screen, window, rungs, all, measure) };
}

/** The option `best`, which is the same for all runs. */
async function measureIn(settings: readonly Setting[], labTasks: LabTasks | undefined): Promise<Measure> {
  const { best } = settings[0]!.options;
  return { best, tasks: best === "loss" ? [] : await labTasks!.find([best]) };
}

/** Completed runs first, ordered by the measure. */
function orderBy({ best, tasks }: Measure): (a: TrainingSummary, b: TrainingSummary) => number {
  const value = ({ loss, tasks: last }: TrainingSummary) =>
    measureOf({ validation: loss?.best ?? Number.MAX_VALUE, tasks: last ?? {} }, best, tasks) ?? Number.MAX_VALUE;
  const rank = ({ ended }: TrainingSummary) => (ended === "unfinished" ? 1 : 0);
  return (a, b) => rank(a) - rank(b) || value(a) - value(b);
}
