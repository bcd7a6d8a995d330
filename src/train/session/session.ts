import { writeJson } from "../../util/write-whole.ts";
import { methodName } from "../methods/method.ts";
import type { TrainOptions } from "../options.ts";
import type { TrainingSummary } from "../report/run.ts";
import { reportRuns } from "../report/write.ts";
import type { SubjectKind } from "../subject/own-subject.ts";
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

export interface Session {
  readonly options: TrainOptions;
  /** The run's folder; in the end, it is a model folder that every command accepts. */
  readonly out: string;
  /**
   * The treatment of a run that is already in the folder. `resume changed` continues it even if options or data differ;
   * `unfinished` continues only an unfinished run with the same options and data, and otherwise starts over.
   */
  readonly reuse: "refuse" | "resume" | "resume changed" | "unfinished" | "force";
  /** Required if the options name tasks. */
  readonly labTasks?: LabTasks | undefined;
  /** The stages, if the options alone do not determine them. */
  readonly stages?: (terms: OpenTerms) => AsyncIterable<Stage>;
}

export interface SessionEvents {
  onStep?: ((report: StepReport) => void) | undefined;
  onNotice?: ((sentence: string) => void) | undefined;
  /** Called once before the first step, with the number of completed steps and their total tokens. */
  onBegin?: ((done: Pick<StepReport, "step" | "tokens">) => void) | undefined;
}

export interface TrainResult {
  readonly out: string;
  /** The base model's name if `out` contains an adapter; undefined for a whole model. */
  readonly model?: string;
  readonly head: SubjectKind;
  readonly steps: number;
  /** The reason why the run ended: all steps were done, or nothing improved for as long as `patience` allows. */
  readonly ended: "steps" | "patience";
  readonly tokens: number;
  /** The number of samples in all steps, with repetitions. */
  readonly samples: number;
  /**
   * Losses in nats per label: the first step's, the last step's, and the best held-out loss (without held-out data,
   * the last step's loss).
   */
  readonly loss: { readonly first: number; readonly last: number; readonly best: number };
  /** True if `best` is a held-out loss; `first` and `last` are always training losses. */
  readonly heldOut: boolean;
  /** Each lab task's metric for the written weights. */
  readonly tasks?: Readonly<Record<string, number>>;
  readonly receipt: TrainingReceipt;
}

interface Around {
  readonly openBase: (model: string) => Promise<Base>;
  readonly events: SessionEvents;
  readonly signal: AbortSignal | undefined;
}

/**
 * Trains a model, or resumes a run. Checkpoints are written every `saveEvery` steps, every five minutes and when
 * `signal` aborts; the model is written at the end.
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
 * Runs a session up to a step, or to its end if that comes first, and stores its state without writing a model, so that
 * the session can continue as if it had not paused.
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

/** Runs a session's stages to the end, or up to a step, and stores their states. Stages write their own artefacts. */
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
      // A pause never writes a model, even at the end of the only stage.
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

/** Writes the receipt and the report of a run after its model. */
async function written({ run, work, losses }: Advance, { options, out }: Session): Promise<TrainResult> {
  if (!run) throw new Error("a run must have at least one stage");
  const receipt = trainingReceipt(options.model ?? out, { ...work, method: methodName(options.method) });
  await writeJson(receiptFile(out), receipt);
  const { runs } = await reportRuns([out]);
  const { first, last, best } = losses;
  const { steps, tokens, samples } = work;
  return {
    out,
    ...(options.lora && options.model !== undefined && { model: options.model }),
    ...{ head: run.stage.head ?? "own", steps, ended: run.ended ?? "steps", tokens, samples },
    ...{ loss: { first, last, best: Number.isNaN(best) ? last : best }, heldOut: !Number.isNaN(best) },
    ...tasksOf(runs),
    receipt,
  };
}

const tasksOf = ([run]: readonly TrainingSummary[]): Pick<TrainResult, "tasks"> =>
  run?.tasks ? { tasks: run.tasks } : {};
