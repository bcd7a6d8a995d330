import { writeJson } from "../../util/write-whole.ts";
import { methodName } from "../methods/method.ts";
import type { TrainOptions } from "../options.ts";
import type { TrainingSummary } from "../report/run.ts";
import { reportRuns } from "../report/write.ts";
import type { Trained } from "../subject/own-subject.ts";
import type { Base } from "../subject/subject.ts";
import { Advance } from "./advance.ts";
import { receiptFile } from "./folder.ts";
import { readMetrics } from "./metrics.ts";
import { stagesOf } from "./open-stages.ts";
import { type TrainingReceipt, trainingReceipt } from "./receipt.ts";
import type { StepReport } from "./run.ts";
import { openFolder } from "./run-folder.ts";
import type { OpenTerms, Stage } from "./stage.ts";
import type { LabTasks } from "./tasks.ts";

/** A call of `train`. */
export interface Session {
  readonly options: TrainOptions;
  /** The run's folder: it becomes a model's folder, which every command takes. */
  readonly out: string;
  /**
   * The treatment of a run that the folder holds: `resume changed` goes on although options or data are others,
   * `unfinished` only if they are the same and the run is not done, and else begins anew.
   */
  readonly reuse: "refuse" | "resume" | "resume changed" | "unfinished" | "force";
  /** Needed by options with tasks. */
  readonly labTasks?: LabTasks | undefined;
  /** The stages, if they are not opened by the options alone. */
  readonly stages?: (terms: OpenTerms) => AsyncIterable<Stage>;
}

export interface SessionEvents {
  onStep?: ((report: StepReport) => void) | undefined;
  onNotice?: ((sentence: string) => void) | undefined;
  /** Called once, before the first step: the steps that are done already, and their tokens. */
  onBegin?: ((done: Pick<StepReport, "step" | "tokens">) => void) | undefined;
}

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

/** The surroundings of a session. */
interface Around {
  readonly openBase: (model: string) => Promise<Base>;
  readonly events: SessionEvents;
  readonly signal: AbortSignal | undefined;
}

/**
 * Trains a model, or resumes a run. Checkpoints are kept every `saveEvery` steps, every five minutes and when `signal`
 * aborts; the model is written at the end.
 * @throws UserError
 */
export async function runSession(
  session: Session,
  openBase: (model: string) => Promise<Base>,
  events: SessionEvents,
  signal?: AbortSignal,
): Promise<TrainResult> {
  return written(await advanced(session, Number.POSITIVE_INFINITY, { openBase, events, signal }), session);
}

/**
 * Runs a session up to a step, or to its end if that comes first, and keeps its state; no model is written. The session
 * goes on as if it had not paused.
 * @throws UserError
 */
export async function pauseSession(
  session: Session,
  until: number,
  openBase: (model: string) => Promise<Base>,
  events: SessionEvents,
  signal?: AbortSignal,
): Promise<void> {
  await advanced(session, until, { openBase, events, signal });
}

/** Runs a session's stages to their end or to a step, and keeps their states. They write what they have trained. */
async function advanced(session: Session, until: number, { openBase, events, signal }: Around): Promise<Advance> {
  const { options, out, labTasks } = session;
  const folder = await openFolder(session, events.onNotice, signal);
  const losses = () => readMetrics(out).map(({ loss }) => loss);
  const { onNotice } = events;
  const terms = { options, out, openBase, resumes: folder.resumes, labTasks, signal, onNotice, losses };
  const stages = (session.stages ?? stagesOf)(terms)[Symbol.asyncIterator]();
  const advance = new Advance(session, folder, events, signal);
  try {
    let next = await folder.orNothing(() => stages.next());
    while (!next.done) {
      const ended = await advance.stage(next.value, until);
      // A pause writes no model, also at the end of the only stage.
      const pauses = Number.isFinite(until) && (next.value.name === "" || advance.work.steps >= until);
      if (!ended || pauses) break;
      advance.run?.useBest();
      next = await stages.next();
    }
  } finally {
    await stages.return?.();
  }
  return advance;
}

/** Writes the receipt and the report of a run whose model is written. */
async function written({ run, work, losses }: Advance, { options, out }: Session): Promise<TrainResult> {
  if (!run) throw new Error("a training has at least one stage");
  const receipt = trainingReceipt(options.model ?? out, { ...work, method: methodName(options.method) });
  await writeJson(receiptFile(out), receipt);
  const { runs } = await reportRuns([out]);
  const { first, last, best } = losses;
  const { steps, tokens, samples } = work;
  return {
    out,
    ...(options.lora && options.model !== undefined && { model: options.model }),
    ...{ head: run.stage.head ?? "own", steps, ended: run.ended ?? "steps", tokens, samples },
    loss: { first, last, best: Number.isNaN(best) ? last : best },
    ...tasksOf(runs),
    receipt,
  };
}

const tasksOf = ([run]: readonly TrainingSummary[]): Pick<TrainResult, "tasks"> =>
  run?.tasks ? { tasks: run.tasks } : {};
