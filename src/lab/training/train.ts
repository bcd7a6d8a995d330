import * as library from "../../library/train.ts";
import type { TrainInput } from "../../train/options.ts";
import type { PhasesInput } from "../../train/phases/options.ts";
import type { PhasesResult } from "../../train/phases/phases.ts";
import type { Estimate } from "../../train/session/estimate.ts";
import type { TrainResult } from "../../train/session/session.ts";
import type { LabTasks } from "../../train/session/tasks.ts";
import type { SweepInput } from "../../train/sweep/grid.ts";
import type { SweepResult } from "../../train/sweep/sweep.ts";
import { version } from "../../util/package-root.ts";
import type { ResolveOptions } from "../../weights/sources/index.ts";
import { labTasks } from "./lab-tasks.ts";

/** A run's folder, and callbacks for its events. */
export interface TrainCall extends Omit<library.TrainCall, "labTasks"> {}

/** A sweep's folder, and callbacks for its events. */
export interface SweepCall extends Omit<library.SweepCall, "labTasks" | "elsewhere"> {
  /** `redis://host:port`: `modicum lab worker --queue` trains the runs, in a folder that all machines share. */
  readonly queue?: string | undefined;
}

/** The phases' folders, and callbacks for their events. */
export interface PhasesCall extends Omit<SweepCall, "queue"> {}

const withTasks = <C extends ResolveOptions>(call: C): C & { labTasks: LabTasks } => ({
  ...call,
  labTasks: labTasks(call),
});

/**
 * Trains a new or an existing model. If `signal` stops a run, its state is kept; `reuse: "resume"` continues it with
 * the same losses to the last bit.
 * @throws UserError
 */
export const train = (options: TrainInput, call: TrainCall): Promise<TrainResult> =>
  library.train(options, withTasks(call));

/** Resumes the run in a folder. @throws UserError if the folder holds no run */
export const resumeTraining = (out: string, call: Omit<TrainCall, "out" | "reuse"> = {}): Promise<TrainResult> =>
  library.resumeTraining(out, withTasks(call));

/** Estimates a run on this machine from its first batch: FLOPs, memory and hours. @throws UserError */
export const estimateTraining = (options: TrainInput, resolving: ResolveOptions = {}): Promise<Estimate> =>
  library.estimateTraining(options, withTasks(resolving));

/**
 * Trains every combination of `sweep.grid`, one after the other or all through a `queue`, each in its folder within
 * `out`, and writes `report.html` about all runs. A call with the same arguments resumes a stopped sweep.
 * @throws UserError for the first combination that cannot be trained, before any training begins
 */
export async function trainSweep(sweep: SweepInput, { queue, ...call }: SweepCall): Promise<SweepResult> {
  if (queue === undefined) return library.trainSweep(sweep, withTasks(call));
  // Only sweeps with a queue need its libraries.
  const { openRunQueue } = await import("../queue/run-job.ts");
  const { out, signal, onNotice = () => {} } = call;
  await using runs = await openRunQueue(queue, { out, version: version(), notice: onNotice, signal });
  return await library.trainSweep(sweep, { ...withTasks(call), elsewhere: runs.elsewhere });
}

/**
 * Trains phase by phase, each in its folder within `out`, from the weights of the previous phase. A call with the same
 * arguments resumes stopped phases.
 * @throws UserError
 */
export const trainPhases = (phases: PhasesInput, call: PhasesCall): Promise<PhasesResult> =>
  library.trainPhases(phases, withTasks(call));
