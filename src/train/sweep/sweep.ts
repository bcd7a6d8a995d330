import { existsSync } from "node:fs";
import path from "node:path";
import { UserError } from "../../util/errors.ts";
import { differences } from "../checkpoint/differences.ts";
import { measureOf } from "../evaluation.ts";
import { optionsFile, optionsOf, receiptFile } from "../folder.ts";
import { readMetrics } from "../metrics.ts";
import { readTrainedRun, summaryOf, type TrainingSummary } from "../report/run.ts";
import { reportRuns, type TrainingReport } from "../report/write.ts";
import { checkOptions, pauseSession, runSession, type Session, type SessionEvents } from "../session.ts";
import { Spike } from "../spike.ts";
import type { Base } from "../subject.ts";
import type { LabTasks } from "../tasks.ts";
import { readSweep, type Setting } from "./grid.ts";
import { rungsOf, windowOf } from "./rungs.ts";
import { checkEvaluations, type Measure, stepAt, survivors, type Watched } from "./screen.ts";
import type { ScreenOptions } from "./screen-options.ts";
import { reasonOf, type Screened, screenedOf } from "./screened.ts";

export interface SweepEvents extends SessionEvents {
  /** Called before each run that goes on; `index` counts all runs from 1. */
  onRun?: ((run: { readonly name: string; readonly index: number; readonly of: number }) => void) | undefined;
}

/** The runs of a sweep, the best first: by their best held-out loss, or by the last score of the task that `best` names. */
export interface SweepResult extends TrainingReport {
  readonly out: string;
  /** Runs that were screened out, or whose loss or gradient was not finite. */
  readonly stopped: readonly Stopped[];
  /** Absent if nothing was screened. */
  readonly screen?: Screened;
}

export interface Stopped {
  readonly out: string;
  readonly reason: string;
}

/** A call of a sweep. */
export interface SweepSession extends Pick<Session, "labTasks"> {
  readonly sweep: unknown;
  readonly out: string;
}

/** What all runs share. */
interface Around {
  readonly labTasks: LabTasks | undefined;
  readonly openBase: (model: string) => Promise<Base>;
  readonly events: SweepEvents;
  readonly signal: AbortSignal | undefined;
}

/**
 * Trains every combination of a grid, each in its folder within `out`. Runs that are done are left as they are, one that was
 * stopped goes on. All runs are checked before the first begins; one that ends without a finite loss does not end the sweep.
 * A sweep that is screened stops runs at its rungs; they stay resumable.
 * @throws UserError
 */
export async function runSweep(
  { sweep, out, labTasks }: SweepSession,
  openBase: (model: string) => Promise<Base>,
  events: SweepEvents,
  signal?: AbortSignal,
): Promise<SweepResult> {
  const around = { labTasks, openBase, events, signal };
  const { settings, screen } = readSweep(sweep);
  const runs: SweepRun[] = [];
  for (const [i, setting] of settings.entries()) runs.push(await planned(setting, i, settings.length, out, around));
  const measure = await measureIn(settings, labTasks);
  const { left, stopped, screened } = await screenRuns(runs, screen, measure);
  for (const run of left) await run.finish();
  const done = runs.map(({ folder }) => summaryOf(readTrainedRun(folder))).sort(orderBy(measure));
  const folders = done.map((run) => run.out);
  const report = await reportRuns(folders, path.join(out, "report.html"));
  const faults = runs.flatMap((run) => (run.fault === undefined ? [] : [{ out: run.folder, reason: run.fault }]));
  const found = { out, ...report, stopped: [...stopped, ...faults] };
  return screened ? { ...found, screen: screened(runs.map((run) => run.watched())) } : found;
}

/** Runs all as far as the screen watches them, and stops the less promising ones. */
async function screenRuns(runs: readonly SweepRun[], screen: ScreenOptions, measure: Measure) {
  if (screen.mode === "off") return { left: runs, stopped: [], screened: undefined };
  const steps = runs.map((run) => run.steps);
  const window = windowOf(screen, steps);
  const rungs = rungsOf(screen, runs.length, window);
  if (screen.mode === "halving") for (const run of runs) checkEvaluations(run, rungs, measure);
  const stopped: Stopped[] = [];
  let left = runs;
  for (const rung of rungs) {
    for (const run of left) await run.advance(stepAt(rung.share, run.steps));
    const watched = left.filter(({ fault }) => fault === undefined).map((run) => run.watched());
    const kept = survivors(rung, watched, screen, measure).map(({ out }) => out);
    const dropped = watched.filter(({ out }) => !kept.includes(out));
    stopped.push(...dropped.map((run) => ({ out: run.out, reason: reasonOf(run, rung, screen, measure) })));
    left = left.filter(({ folder }) => kept.includes(folder));
  }
  return { left, stopped, screened: (all: Watched[]) => screenedOf(screen, window, rungs, all, measure) };
}

/** One run of a sweep: its folder, and how far it has come. */
class SweepRun {
  /** The reason that it does not go on, such as a loss that is not finite. */
  fault: string | undefined;

  constructor(
    readonly folder: string,
    readonly steps: number,
    readonly options: Setting["options"],
    private readonly place: { readonly name: string; readonly index: number; readonly of: number },
    private readonly around: Around,
  ) {}

  /** Runs it to its end. */
  async finish(): Promise<void> {
    if (existsSync(receiptFile(this.folder)) || this.fault !== undefined) return;
    const { openBase, events, signal } = this.around;
    await this.#goOn((session) => runSession(session, openBase, events, signal));
  }

  /** Runs it up to a step, unless it is there. */
  async advance(step: number): Promise<void> {
    if (existsSync(receiptFile(this.folder)) || this.#done >= step) return;
    const { openBase, events, signal } = this.around;
    await this.#goOn((session) => pauseSession(session, step, openBase, events, signal));
  }

  watched(): Watched {
    return { out: this.folder, steps: this.steps, done: readMetrics(this.folder) };
  }

  get #done(): number {
    return readMetrics(this.folder).at(-1)?.step ?? 0;
  }

  async #goOn(go: (session: Session) => Promise<unknown>): Promise<void> {
    const { labTasks, events } = this.around;
    events.onRun?.(this.place);
    const reuse = existsSync(this.folder) ? "resume" : "refuse";
    await go({ options: this.options, out: this.folder, reuse, labTasks }).catch((error: unknown) => {
      if (!(error instanceof Spike)) throw error;
      events.onNotice?.(error.message);
      this.fault = error.message;
    });
  }
}

/** @throws UserError if its folder holds a run of other options, or it cannot begin */
async function planned({ name, options }: Setting, i: number, of: number, out: string, around: Around) {
  const folder = path.join(out, name);
  const begun = existsSync(optionsFile(folder));
  const changed = begun ? differences(options, optionsOf(folder)) : [];
  if (changed.length > 0)
    throw new UserError(`${folder}: the run was begun with other options: ${changed.join("; ")}; take another --out`);
  const isDone = begun && existsSync(receiptFile(folder));
  const steps = isDone ? readMetrics(folder).at(-1)!.steps : await stepsOfSetting(name, options, around);
  return new SweepRun(folder, steps, options, { name, index: i + 1, of }, around);
}

const stepsOfSetting = (name: string, options: Setting["options"], { openBase, labTasks }: Around): Promise<number> =>
  checkOptions(options, openBase, labTasks).catch((error: unknown) => {
    throw error instanceof UserError ? new UserError(`run ${name}: ${error.message}`) : error;
  });

/** The measure that all runs name. */
async function measureIn(settings: readonly Setting[], labTasks: LabTasks | undefined): Promise<Measure> {
  const { best } = settings[0]!.options;
  return { best, tasks: best === "loss" ? [] : await labTasks!.find([best]) };
}

/** Runs that are done first, among them the best by the measure. */
function orderBy({ best, tasks }: Measure): (a: TrainingSummary, b: TrainingSummary) => number {
  const value = ({ loss, tasks: last }: TrainingSummary) =>
    measureOf({ validation: loss?.best ?? Number.MAX_VALUE, tasks: last ?? {} }, best, tasks) ?? Number.MAX_VALUE;
  const rank = ({ ended }: TrainingSummary) => (ended === "unfinished" ? 1 : 0);
  return (a, b) => rank(a) - rank(b) || value(a) - value(b);
}
