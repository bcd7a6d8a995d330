import * as library from "../../library/train.ts";
import type { Estimate } from "../../train/estimate.ts";
import type { TrainInput } from "../../train/options.ts";
import type { PhasesInput } from "../../train/phases/options.ts";
import type { PhasesResult } from "../../train/phases/phases.ts";
import type { TrainResult } from "../../train/session.ts";
import type { SweepInput } from "../../train/sweep/grid.ts";
import type { SweepResult } from "../../train/sweep/sweep.ts";
import type { LabTasks } from "../../train/tasks.ts";
import type { ResolveOptions } from "../../weights/sources/index.ts";

/** The folder of a run, and its events. */
export interface TrainCall extends Omit<library.TrainCall, "labTasks"> {}

/** The folder of a sweep, and its events. */
export interface SweepCall extends Omit<library.SweepCall, "labTasks"> {}

/** The lab's code is loaded for runs that have tasks. */
const lab = () => import("./score-tasks.ts");

const withTasks = <C extends ResolveOptions>(call: C): C & { labTasks: LabTasks } => ({
  ...call,
  labTasks: {
    find: async (names) => (await lab()).findTasks(names, call),
    open: async (options, countTokens) => (await lab()).openTasks(options, countTokens, call),
  },
});

/**
 * Trains a model, a new one or one to train further. A run that `signal` stops keeps its state; with `reuse: "resume"`
 * it goes on and gives the same losses to the last bit.
 * @throws UserError
 */
export const train = (options: TrainInput, call: TrainCall): Promise<TrainResult> =>
  library.train(options, withTasks(call));

/** Goes on with the run that a folder holds. @throws UserError if it holds none */
export const resumeTraining = (out: string, call: Omit<TrainCall, "out" | "reuse"> = {}): Promise<TrainResult> =>
  library.resumeTraining(out, withTasks(call));

/** Estimates a run on this machine from its first batch: FLOPs, memory and hours. @throws UserError */
export const estimateTraining = (options: TrainInput, resolving: ResolveOptions = {}): Promise<Estimate> =>
  library.estimateTraining(options, withTasks(resolving));

/**
 * Trains every combination of `sweep.grid`, one after the other, each in its folder within `out`, and writes `report.html`
 * over all. A call with the same arguments goes on where one was stopped.
 * @throws UserError for the first combination that cannot begin, before any does
 */
export const trainSweep = (sweep: SweepInput, call: SweepCall): Promise<SweepResult> =>
  library.trainSweep(sweep, withTasks(call));

/**
 * Trains phase by phase, each in its folder within `out`, from the weights of the phase before. A call with the same
 * arguments goes on where one was stopped.
 * @throws UserError
 */
export const trainPhases = (phases: PhasesInput, call: SweepCall): Promise<PhasesResult> =>
  library.trainPhases(phases, withTasks(call));
