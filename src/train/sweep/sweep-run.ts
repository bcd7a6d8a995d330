import { existsSync } from "node:fs";
import path from "node:path";
import { UserError } from "../../util/errors.ts";
import type { TrainOptions } from "../options.ts";
import { checkOptions } from "../session/dry-run.ts";
import { isDone, receiptFile } from "../session/folder.ts";
import { readMetrics } from "../session/metrics.ts";
import { pauseSession, runSession, type Session, type SessionEvents } from "../session/session.ts";
import { Spike } from "../session/spike.ts";
import type { LabTasks } from "../session/tasks.ts";
import type { Base } from "../subject/subject.ts";
import type { Setting } from "./grid.ts";
import type { WatchedRun } from "./screen.ts";

export interface SweepEvents extends SessionEvents {
  /** Called before each run that continues; `index` counts all runs from 1. */
  onRun?: ((run: { readonly name: string; readonly index: number; readonly of: number }) => void) | undefined;
}

export interface Around {
  readonly labTasks: LabTasks | undefined;
  readonly openBase: (model: string) => Promise<Base>;
  readonly events: SweepEvents;
  readonly signal: AbortSignal | undefined;
  /** If absent, runs are trained here, one after the other. */
  readonly elsewhere?: Elsewhere | undefined;
}

/** A run's options, its folder, and its target step. */
export interface RunPart {
  readonly options: TrainOptions;
  /** The run's folder; a run that it already contains continues. */
  readonly out: string;
  /** The step to stop at; by default, the run's last step. */
  readonly until?: number;
}

/** Trains parts of runs on other machines; like `advanceRun`, returns why a run cannot continue. @throws UserError */
export type Elsewhere = (parts: readonly RunPart[]) => Promise<readonly (string | undefined)[]>;

/** Advances a run; returns why it cannot continue, such as a loss that is not finite. @throws UserError */
export async function advanceRun(
  { options, out, until }: RunPart,
  { labTasks, openBase, events, signal }: Around,
): Promise<string | undefined> {
  const session: Session = { options, out, reuse: existsSync(out) ? "resume" : "refuse", labTasks };
  try {
    if (until === undefined) await runSession(session, openBase, events, signal);
    else await pauseSession(session, until, openBase, events, signal);
    return undefined;
  } catch (error) {
    if (!(error instanceof Spike)) throw error;
    events.onNotice?.(error.message);
    return error.message;
  }
}

/** A run of a sweep: its folder and its progress. */
export class SweepRun {
  /** The reason why the run cannot continue, such as a loss that is not finite. */
  fault: string | undefined;

  constructor(
    readonly folder: string,
    /** The total number of steps of all stages. */
    readonly steps: number,
    readonly options: Setting["options"],
    readonly place: { readonly name: string; readonly index: number; readonly of: number },
  ) {}

  /** The part of the run that remains up to a step, or to the run's end; undefined if nothing remains. */
  part(until?: number): RunPart | undefined {
    if (existsSync(receiptFile(this.folder)) || this.fault !== undefined) return undefined;
    if (until !== undefined && this.#done >= until) return undefined;
    return { options: this.options, out: this.folder, ...(until !== undefined && { until }) };
  }

  watched(): WatchedRun {
    return { out: this.folder, steps: this.steps, done: readMetrics(this.folder) };
  }

  get #done(): number {
    return readMetrics(this.folder).at(-1)?.step ?? 0;
  }
}

/** @throws UserError if the run's folder holds a run with other options, or the run cannot begin */
export async function planned({ name, options }: Setting, i: number, of: number, out: string, around: Around) {
  const folder = path.join(out, name);
  const steps = isDone(folder, options)
    ? readMetrics(folder).at(-1)!.steps
    : await stepsOfSetting(name, { options, out: folder, labTasks: around.labTasks }, around);
  return new SweepRun(folder, steps, options, { name, index: i + 1, of });
}

const stepsOfSetting = (name: string, run: Parameters<typeof checkOptions>[0], { openBase }: Around): Promise<number> =>
  checkOptions(run, openBase).catch((error: unknown) => {
    throw error instanceof UserError ? new UserError(`run ${name}: ${error.message}`) : error;
  });

/** Advances runs up to a step, or to their end: on other machines in parallel, or here one after another. */
export async function advanceRuns(
  runs: readonly SweepRun[],
  around: Around,
  until: (run: SweepRun) => number | undefined = () => undefined,
): Promise<void> {
  const parts = runs.flatMap((run) => {
    const part = run.part(until(run));
    return part ? [{ run, part }] : [];
  });
  if (around.elsewhere) {
    const faults = await around.elsewhere(parts.map(({ part }) => part));
    for (const [i, { run }] of parts.entries()) run.fault = faults[i];
  } else
    for (const { run, part } of parts) {
      around.events.onRun?.(run.place);
      run.fault = await advanceRun(part, around);
    }
}
