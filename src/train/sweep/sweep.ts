import { existsSync } from "node:fs";
import path from "node:path";
import { UserError } from "../../util/errors.ts";
import { differences } from "../checkpoint/differences.ts";
import { measureOf } from "../evaluation.ts";
import { optionsFile, optionsOf, receiptFile } from "../folder.ts";
import { readTrainedRun, summaryOf, type TrainingSummary } from "../report/run.ts";
import { reportRuns, type TrainingReport } from "../report/write.ts";
import { checkOptions, runSession, type Session, type SessionEvents } from "../session.ts";
import { Spike } from "../spike.ts";
import type { Base } from "../subject.ts";
import type { LabTasks } from "../tasks.ts";
import { type Setting, settingsOf } from "./grid.ts";

export interface SweepEvents extends SessionEvents {
  /** Called before each run that is not done yet; `index` counts all runs from 1. */
  onRun?: ((run: { readonly name: string; readonly index: number; readonly of: number }) => void) | undefined;
}

/** The runs of a sweep, the best first: by their best held-out loss, or by the last score of the task that `best` names. */
export interface SweepResult extends TrainingReport {
  readonly out: string;
  /** Runs whose loss or gradient was not finite. */
  readonly stopped: readonly { readonly out: string; readonly reason: string }[];
}

/** A call of a sweep. */
export interface SweepSession extends Pick<Session, "labTasks"> {
  readonly sweep: unknown;
  readonly out: string;
}

interface Planned extends Setting {
  readonly folder: string;
  readonly done: boolean;
}

/**
 * Trains every combination of a grid, each in its folder within `out`. Runs that are done are left as they are, one that was
 * stopped goes on. All runs are checked before the first begins; one that ends without a finite loss does not end the sweep.
 * @throws UserError
 */
export async function runSweep(
  { sweep, out, labTasks }: SweepSession,
  openBase: (model: string) => Promise<Base>,
  events: SweepEvents,
  signal?: AbortSignal,
): Promise<SweepResult> {
  const runs = settingsOf(sweep).map((setting) => planned(setting, out));
  for (const run of runs) if (!run.done) await checkSetting(run, openBase, labTasks);
  const stopped: { out: string; reason: string }[] = [];
  for (const [i, { name, options, folder, done }] of runs.entries()) {
    if (done) continue;
    events.onRun?.({ name, index: i + 1, of: runs.length });
    const session = { options, out: folder, reuse: existsSync(folder) ? "resume" : "refuse", labTasks } as const;
    await runSession(session, openBase, events, signal).catch((error: unknown) => {
      if (!(error instanceof Spike)) throw error;
      events.onNotice?.(error.message);
      stopped.push({ out: folder, reason: error.message });
    });
  }
  const folders = runs.map(({ folder }) => summaryOf(readTrainedRun(folder))).sort(await orderOf(runs, labTasks));
  const report = await reportRuns(
    folders.map((run) => run.out),
    path.join(out, "report.html"),
  );
  return { out, ...report, stopped };
}

/** @throws UserError if its folder holds a run of other options */
function planned({ name, options }: Setting, out: string): Planned {
  const folder = path.join(out, name);
  const begun = existsSync(optionsFile(folder));
  const changed = begun ? differences(options, optionsOf(folder)) : [];
  if (changed.length > 0)
    throw new UserError(`${folder}: the run was begun with other options: ${changed.join("; ")}; take another --out`);
  return { name, options, folder, done: begun && existsSync(receiptFile(folder)) };
}

async function checkSetting(
  { name, options }: Setting,
  openBase: (model: string) => Promise<Base>,
  labTasks: LabTasks | undefined,
): Promise<void> {
  await checkOptions(options, openBase, labTasks).catch((error: unknown) => {
    throw error instanceof UserError ? new UserError(`run ${name}: ${error.message}`) : error;
  });
}

type Order = (a: TrainingSummary, b: TrainingSummary) => number;

/** Runs that are done first, among them the best by the measure that all runs name. */
async function orderOf(runs: readonly Planned[], labTasks: LabTasks | undefined): Promise<Order> {
  const { best } = runs[0]!.options;
  const tasks = best === "loss" ? [] : await labTasks!.find([best]);
  const measure = ({ loss, tasks: last }: TrainingSummary) =>
    measureOf({ validation: loss?.best ?? Number.MAX_VALUE, tasks: last ?? {} }, best, tasks) ?? Number.MAX_VALUE;
  const rank = ({ ended }: TrainingSummary) => (ended === "unfinished" ? 1 : 0);
  return (a, b) => rank(a) - rank(b) || measure(a) - measure(b);
}
