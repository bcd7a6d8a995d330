import { existsSync } from "node:fs";
import path from "node:path";
import { tokenizerOf } from "../engine/file/tokenizer-of.ts";
import { chooseThreads } from "../runtime/threads.ts";
import { interpolateAdapter, interpolateModels } from "../train/checkpoint/interpolate.ts";
import { type ExportedRun, exportTrl } from "../train/export/trl.ts";
import { vocabularyOf } from "../train/graphs/encoder-model.ts";
import { withPresets } from "../train/methods/complete.ts";
import { type TrainInput, type TrainOptions, trainOptions } from "../train/options.ts";
import type { PhasesInput } from "../train/phases/options.ts";
import { type PhasesResult, runPhases } from "../train/phases/phases.ts";
import { reportRuns, type TrainingReport } from "../train/report/write.ts";
import { dryRun } from "../train/session/dry-run.ts";
import type { Estimate } from "../train/session/estimate.ts";
import { optionsOf } from "../train/session/folder.ts";
import { runSession, type Session, type SessionEvents, type TrainResult } from "../train/session/session.ts";
import type { Base } from "../train/subject/subject.ts";
import type { SweepInput } from "../train/sweep/grid.ts";
import { runSweep, type SweepResult } from "../train/sweep/sweep.ts";
import type { Elsewhere, SweepEvents } from "../train/sweep/sweep-run.ts";
import { UserError } from "../util/errors.ts";
import { requireEmpty } from "../util/make-folders.ts";
import { openCheckpoint } from "../weights/checkpoint.ts";
import { hubName, preparedFolder, type ResolveOptions, resolveModel } from "../weights/sources/index.ts";
import type { Tokenizer } from "../weights/tokenizer/index.ts";
import { checkArgument } from "./arguments.ts";

/** The folder of a run, and its events. Options that name lab tasks need `labTasks`. */
export interface TrainCall
  extends ResolveOptions,
    Pick<SessionEvents, "onStep" | "onBegin">,
    Pick<Session, "labTasks"> {
  /** The run's folder; at the end it is a model's folder. */
  readonly out: string;
  /** The action if the folder already holds a run; by default, the call is refused. */
  readonly reuse?: Exclude<Session["reuse"], "unfinished">;
  /** Threads of the process's pool; default: the number of cores that the process may use. */
  readonly threads?: number;
}

/**
 * Trains a new or an existing model. If `signal` stops a run, its state is kept; `reuse: "resume"` continues it with
 * the same losses to the last bit.
 * @throws UserError
 */
export async function train(
  options: TrainInput,
  { out, reuse = "refuse", threads, labTasks, ...rest }: TrainCall,
): Promise<TrainResult> {
  if (threads !== undefined) chooseThreads(threads);
  const session = { options: checkedTrainOptions(options), out, reuse, labTasks };
  return runSession(session, (model) => openBase(model, rest), rest, rest.signal);
}

/** Resumes the run in a folder. @throws UserError if the folder holds no run */
export const resumeTraining = (out: string, call: Omit<TrainCall, "out" | "reuse"> = {}): Promise<TrainResult> =>
  train(optionsOf(out), { ...call, out, reuse: "resume" });

/** Estimates a run on this machine from its first batch: FLOPs, memory and hours. @throws UserError */
export async function estimateTraining(
  options: TrainInput,
  { labTasks, ...resolving }: ResolveOptions & Pick<Session, "labTasks"> = {},
): Promise<Estimate> {
  return dryRun(checkedTrainOptions(options), (model) => openBase(model, resolving), labTasks);
}

const checkedTrainOptions = (options: TrainInput): TrainOptions =>
  checkArgument("train's options", trainOptions, withPresets(options));

/** The folder of a sweep, and its events. */
export interface SweepCall extends Omit<TrainCall, "reuse">, Pick<SweepEvents, "onRun"> {
  /** Advances the runs on other machines; if absent, the runs take place here, one after another. */
  readonly elsewhere?: Elsewhere | undefined;
}

/**
 * Trains every combination of `sweep.grid`, one after the other, each in its folder within `out`, and writes
 * `report.html` about all of them. A call with the same arguments resumes a stopped sweep.
 * @throws UserError for the first combination that cannot be trained, before any training begins
 */
export async function trainSweep(
  sweep: SweepInput,
  { out, threads, labTasks, elsewhere, ...rest }: SweepCall,
): Promise<SweepResult> {
  if (threads !== undefined) chooseThreads(threads);
  return runSweep({ sweep, out, labTasks, elsewhere }, (model) => openBase(model, rest), rest, rest.signal);
}

/**
 * Trains in phases, each in its own folder within `out`, from the weights of the previous phase. A call with the same
 * arguments resumes a stopped run.
 * @throws UserError
 */
export async function trainPhases(
  phases: PhasesInput,
  { out, threads, labTasks, ...rest }: Omit<SweepCall, "elsewhere">,
): Promise<PhasesResult> {
  if (threads !== undefined) chooseThreads(threads);
  return runPhases({ phases, out, labTasks }, (model) => openBase(model, rest), rest, rest.signal);
}

/** The folder and the weight of an interpolation between two models. */
export interface InterpolateOptions extends ResolveOptions {
  readonly out: string;
  /** The interpolation weight of the tuned model, from 0 to 1. */
  readonly weight: number;
}

/**
 * Interpolates between the weights of a model and its fine-tuned form, and writes the result into `out`: a model in
 * float32, or, if `tuned` is an adapter's folder, a weaker adapter.
 * @throws UserError if the two have different tensors
 */
export async function interpolate(
  base: string,
  tuned: string,
  { out, weight, ...resolving }: InterpolateOptions,
): Promise<void> {
  if (!(weight >= 0 && weight <= 1)) throw new UserError(`weight: expected 0 to 1, got ${weight}`, 2);
  requireEmpty(out);
  if (existsSync(path.join(tuned, "adapter_config.json"))) return interpolateAdapter(tuned, weight, out);
  const open = async (model: string) => openCheckpoint((await resolveModel(model, resolving)).path);
  return interpolateModels({ base: await open(base), tuned: await open(tuned) }, weight, out);
}

/**
 * Exports a run to transformers, PEFT and accelerate, on which TRL is based, into a new or empty folder: tokenised rows
 * in order, settings, initial weights, and a `train.py`.
 * @throws UserError, and leaves the folder empty
 */
export async function exportTraining(
  options: TrainInput,
  { out, ...resolving }: ResolveOptions & { readonly out: string },
): Promise<ExportedRun> {
  return exportTrl(checkedTrainOptions(options), out, (model) => openBase(model, resolving));
}

/**
 * Writes a page that compares runs by their curves and receipts: into `out`, or as `report.html` in the first folder.
 * @throws UserError if a folder holds no run
 */
export function trainingReport(
  folders: readonly string[],
  { out }: { readonly out?: string } = {},
): Promise<TrainingReport> {
  return reportRuns(folders, out);
}

export async function openBase(model: string, options: ResolveOptions): Promise<Base> {
  const source = await resolveModel(model, options);
  const { path: file, sha256 } = source;
  const checkpoint = openCheckpoint(file);
  // A model without a vocabulary is refused only when its tokenizer is needed.
  const vocabulary = await vocabularyOf(checkpoint).then(
    (tokens) => () => tokens,
    (error: unknown) => (): number => {
      throw error;
    },
  );
  let tokenizer: Tokenizer | undefined;
  return {
    ...{ name: model, hub: await hubName(model, source), checkpoint, prepared: preparedFolder(file) },
    ...(sha256 !== undefined && { sha256 }),
    get tokenizer() {
      tokenizer ??= tokenizerOf(checkpoint, vocabulary());
      return tokenizer;
    },
  };
}
