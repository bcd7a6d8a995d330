import { existsSync, readdirSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { UserError } from "../../util/errors.ts";
import { makeFolders } from "../../util/make-folders.ts";
import { writeError } from "../../util/system-errors.ts";
import { writeJson } from "../../util/write-whole.ts";
import { writeRecord } from "../../weights/adapter/record.ts";
import { type KeptState, latestState, removeStates } from "../checkpoint/state.ts";
import { droppedSentence, mixedSentence } from "../data/open.ts";
import { fitToData } from "../methods/fit.ts";
import type { TrainOptions } from "../options.ts";
import type { TrainingSummary } from "../report/run.ts";
import { reportRuns } from "../report/write.ts";
import type { Trained } from "../subject/own-subject.ts";
import type { Base } from "../subject/subject.ts";
import { type Estimate, estimate, sentence } from "./estimate.ts";
import { optionsFile, receiptFile } from "./folder.ts";
import { keepRun, restoreRun } from "./kept-run.ts";
import { Metrics } from "./metrics.ts";
import { type OpenedAny, openAny } from "./open-any.ts";
import type { TrainingReceipt } from "./receipt.ts";
import { checkState, refuseOtherParameters, startFrom } from "./resume.ts";
import { type StepReport, stepsOf, TrainingRun } from "./run.ts";
import { forgetScored, scoreSubject } from "./scored-step.ts";
import { stabilityWarning } from "./stability.ts";
import type { LabTasks, TaskScorer } from "./tasks.ts";

/** A call of `train`. */
export interface Session {
  readonly options: TrainOptions;
  /** The run's folder: it becomes a model's folder, which every command takes. */
  readonly out: string;
  /** The treatment of a run that the folder holds; `resume changed` goes on although options or data are others. */
  readonly reuse: "refuse" | "resume" | "resume changed" | "force";
  /** Needed by options with tasks. */
  readonly labTasks?: LabTasks | undefined;
}

export interface SessionEvents {
  onStep?: ((report: StepReport) => void) | undefined;
  onNotice?: ((sentence: string) => void) | undefined;
  /** Called once, before the first step: the steps that are done already, and their tokens. */
  onBegin?: ((done: Pick<StepReport, "step" | "tokens">) => void) | undefined;
}

/** Milliseconds between two checkpoints at most. */
const SAVE_AFTER = 5 * 60_000;

export interface TrainResult {
  readonly out: string;
  /** The base model if `out` is an adapter; undefined if it is a whole model. */
  readonly model?: string;
  readonly head: Trained;
  readonly steps: number;
  /** The end of the run: all its steps, or no better evaluation in the options' patience. */
  readonly ended: "steps" | "patience";
  readonly tokens: number;
  /** Samples of all steps, as often as they were seen. */
  readonly samples: number;
  /** Nats a label: of the first and the last step, and the best of the held-out data (of the last step, if nothing is held out). */
  readonly loss: { readonly first: number; readonly last: number; readonly best: number };
  /** The metric of each lab task that the options name, of the weights that were written. */
  readonly tasks?: Readonly<Record<string, number>>;
  readonly receipt: TrainingReceipt;
}

/**
 * Trains a model, or resumes a run. Checkpoints are kept every `saveEvery` steps, every five minutes and when `signal`
 * aborts; the model is written at the end.
 * @throws UserError
 */
export const runSession = (
  session: Session,
  openBase: (model: string) => Promise<Base>,
  events: SessionEvents,
  signal?: AbortSignal,
): Promise<TrainResult> =>
  advanced(session, Number.POSITIVE_INFINITY, { openBase, events, signal }, (run, ended) =>
    written(run, ended!, session),
  );

/**
 * Runs a session up to a step, or to its end if that comes first, and keeps its state; no model is written. The session
 * goes on as if it had not paused.
 * @throws UserError
 */
export const pauseSession = (
  session: Session,
  until: number,
  openBase: (model: string) => Promise<Base>,
  events: SessionEvents,
  signal?: AbortSignal,
): Promise<void> => advanced(session, until, { openBase, events, signal }, async () => {});

/** The surroundings of a session. */
interface Around {
  readonly openBase: (model: string) => Promise<Base>;
  readonly events: SessionEvents;
  readonly signal: AbortSignal | undefined;
}

/** Opens a run where it is, runs it to its end or a step, keeps its state and hands it on. */
async function advanced<T>(
  session: Session,
  until: number,
  { openBase, events: { onStep, onNotice, onBegin }, signal }: Around,
  then: (run: TrainingRun, ended: TrainingRun["ended"]) => Promise<T>,
): Promise<T> {
  const { options, out } = session;
  const { kept, orNothing } = await openFolder(session, onNotice, signal);
  if (kept) refuseOtherParameters(session, kept);
  const { subject, data, scorer } = await orNothing(() => openWhole(session, openBase, kept !== undefined));
  const score = () => scoreSubject(subject, options, out, scorer!, signal);
  using run = await orNothing(() => TrainingRun.open(options, subject, data, scorer && { tasks: scorer.tasks, score }));
  for (const sentence of [droppedSentence(data, options.tokens), mixedSentence(data), run.notice])
    if (sentence) onNotice?.(sentence);
  if (kept) {
    for (const told of checkState(session, kept, data)) onNotice?.(told);
    restoreRun(run, kept);
  } else {
    const { start } = options;
    if (start !== undefined) await orNothing(async () => startFrom(run, options, start));
    await forget(out);
  }
  await writeJson(optionsFile(out), options);
  const metrics = await Metrics.open(out, run.done);
  if (!run.ended && until > run.steps) onNotice?.(sentence(await estimate(run)));
  onBegin?.({ step: run.done, tokens: run.counters.tokens });
  let warned: string | undefined;
  let saved = performance.now();
  const save = async () => {
    await keepRun(run, options, out, data.hash);
    saved = performance.now();
  };
  while (!signal?.aborted && (run.trained || (!run.ended && run.done < until))) {
    const report = await run.step().catch(async (error: unknown) => {
      if (run.trained) await save();
      throw error;
    });
    metrics.add(report);
    onStep?.(report);
    if (run.done === 1 || run.done % options.evaluateEvery === 0) {
      const warning = stabilityWarning(subject.store, options.precision);
      if (warning !== undefined && warning !== warned) onNotice?.(`step ${run.done}: ${warning}`);
      warned = warning;
    }
    if (run.done % options.saveEvery === 0 || performance.now() - saved >= SAVE_AFTER) await save();
  }
  if (run.done > 0) await save();
  signal?.throwIfAborted();
  return await then(run, run.ended);
}

/** Writes a run's model, receipt and report. */
async function written(
  run: TrainingRun,
  ended: NonNullable<TrainingRun["ended"]>,
  { options, out }: Session,
): Promise<TrainResult> {
  run.useBest();
  await run.subject.write(out);
  if (options.lora) await writeRecord(out, run.prompts);
  const receipt = run.receipt(options.model ?? out);
  await writeJson(receiptFile(out), receipt);
  const { runs } = await reportRuns([out]);
  const { first, last, best, tokens, samples } = run.counters;
  const adapted = options.lora && options.model !== undefined ? { model: options.model } : {};
  const losses = { first, last, best: Number.isNaN(best) ? last : best };
  const done = { head: run.head, steps: run.done, ended, tokens, samples, loss: losses };
  return { out, ...adapted, ...done, ...tasksOf(runs), receipt };
}

const tasksOf = ([run]: readonly TrainingSummary[]): Pick<TrainResult, "tasks"> =>
  run?.tasks ? { tasks: run.tasks } : {};

/** A run with its lab tasks. @throws UserError */
async function openWhole(
  { options, out, labTasks }: Omit<Session, "reuse">,
  openBase: (model: string) => Promise<Base>,
  resumes: boolean,
): Promise<OpenedAny & { scorer: TaskScorer | undefined }> {
  const opened = await openAny(options, out, openBase, resumes);
  if (options.tasks.length === 0) return { ...opened, scorer: undefined };
  if (!labTasks) throw new UserError("tasks: this call of train scores none; expected no tasks", 2);
  const { tokenizer } = opened;
  if (!tokenizer) throw new UserError("tasks: an image generator answers no lab task; expected no tasks", 2);
  const countTokens = (text: string) => tokenizer.encode(text).length + Number(tokenizer.addBos);
  return { ...opened, scorer: await labTasks.open(options, countTokens) };
}

/** Removes what a run that begins anew must not be taken for. */
async function forget(out: string): Promise<void> {
  await removeStates(out);
  await forgetScored(out);
  await rm(receiptFile(out), { force: true });
}

/** Estimates a run from its first batch; keeps nothing. @throws UserError */
export const dryRun = (
  options: TrainOptions,
  openBase: (model: string) => Promise<Base>,
  labTasks?: LabTasks,
): Promise<Estimate> =>
  opened({ options, labTasks }, openBase, async ({ subject, data }) => {
    using run = await TrainingRun.open(options, subject, data);
    return await estimate(run);
  });

/** Checks that a run can begin, by opening its model and data; returns its steps, keeps nothing. @throws UserError if it cannot */
export const checkOptions = (
  options: TrainOptions,
  openBase: (model: string) => Promise<Base>,
  labTasks?: LabTasks,
): Promise<number> =>
  opened({ options, labTasks }, openBase, async ({ subject, data }) => {
    subject[Symbol.dispose]();
    return stepsOf(fitToData(options, data).options, data.training);
  });

/** Opens a run in a folder that is removed once it was used. */
async function opened<T>(
  call: Pick<Session, "options" | "labTasks">,
  openBase: (model: string) => Promise<Base>,
  use: (run: OpenedAny) => Promise<T>,
): Promise<T> {
  const out = await mkdtemp(path.join(tmpdir(), "modicum-dry-run-"));
  try {
    return await use(await openWhole({ ...call, out }, openBase, false));
  } finally {
    await rm(out, { recursive: true, force: true });
  }
}

/** A run's folder. */
interface RunFolder {
  /** The state to go on from; undefined for a new run. */
  readonly kept: KeptState | undefined;
  /** Takes a new run out of the folder again if it cannot begin; one that was stopped stays. */
  orNothing<T>(begin: () => Promise<T>): Promise<T>;
}

/** Opens a run's folder. A new run's options are kept there at once: killed while its model is loaded, it can go on. @throws UserError */
async function openFolder(
  { out, reuse, options }: Session,
  onNotice: SessionEvents["onNotice"],
  signal: AbortSignal | undefined,
): Promise<RunFolder> {
  const held = existsSync(optionsFile(out));
  if (reuse === "refuse" && existsSync(out) && readdirSync(out).some((name) => !name.endsWith(".part")))
    throw new UserError(
      held
        ? `${out} holds a run; --resume goes on with it, --force begins anew`
        : `${out} is not empty; --force uses it`,
    );
  try {
    makeFolders(out);
  } catch (error) {
    throw writeError(error, out);
  }
  if (!held) await writeJson(optionsFile(out), options);
  return {
    kept: reuse === "resume" || reuse === "resume changed" ? stateIn(out, onNotice) : undefined,
    async orNothing(begin) {
      try {
        return await begin();
      } catch (error) {
        // A folder that was not empty is the user's.
        if (!held && !signal?.aborted)
          await rm(reuse === "refuse" ? out : optionsFile(out), { recursive: true, force: true });
        throw error;
      }
    },
  };
}

function stateIn(out: string, onNotice: SessionEvents["onNotice"]): KeptState | undefined {
  const state = latestState(out);
  for (const sentence of state?.damaged ?? []) onNotice?.(sentence);
  if (!state) onNotice?.(`${out} holds no checkpoint: the run begins anew`);
  return state;
}
