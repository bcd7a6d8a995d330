import type { AdapterRecord } from "../../weights/adapter/record.ts";
import type { FrozenChoice } from "../freeze/choice.ts";
import type { MethodBill } from "../methods/method.ts";
import type { TrainOptions } from "../options.ts";
import type { PassCost } from "../step/passes.ts";
import type { SubjectKind } from "../subject/own-subject.ts";
import type { Base } from "../subject/subject.ts";
import type { Evaluation } from "./evaluation.ts";
import type { LabTasks, ScoredTask } from "./tasks.ts";

export interface StepResult {
  /** The mean loss over the step's labels, in nats. */
  readonly loss: number;
  readonly rate: number;
  /** The gradient's norm before clipping. */
  readonly norm: number;
  readonly labelled: number;
  /** The step's tokens without padding, and its samples. */
  readonly tokens: number;
  readonly samples: number;
  /** The method's metrics, by name. */
  readonly metrics?: Readonly<Record<string, number>>;
  /** Present if the weights did not change because the loss or the gradient was not finite. */
  readonly skipped?: true;
}

/** The FLOPs since the last call. */
export interface StageCost extends PassCost {
  /** The FLOPs of the backward passes if nothing were frozen; absent if nothing is frozen. */
  readonly denseBackward?: number;
}

/** The number of weight updates so far, and of skipped steps. */
export interface UpdateCounters {
  updates: number;
  skipped: number;
}

/**
 * A part of a run with its own steps, which a session runs, stores, resumes and bills. A step depends only on its
 * number, the counters and the states.
 */
export interface Stage extends Disposable {
  /** Unique among the run's stages, and valid as a folder name; "" for a single stage. */
  readonly name: string;
  readonly steps: number;
  /** SHA-256 of the data that the steps read. */
  readonly data: { readonly hash: string };
  /** All memory that the steps change, by name; stored in each checkpoint, and restored when a run resumes. */
  readonly states: Readonly<Record<string, Float32Array<ArrayBuffer>>>;
  /** Compiles the stage's programs; called once, before the first step. */
  prepare?(): Promise<void>;
  /**
   * Runs step `i`, counted from 0, and counts its update. @throws Spike if the loss or gradient is not finite, unless
   * such steps are skipped
   */
  step(i: number, counters: UpdateCounters): Promise<StepResult>;
  /** Evaluates the current weights. */
  evaluate?(): Promise<Evaluation>;
  takeCost(): StageCost;
  /** FLOPs of one update; default: 0. */
  readonly updateFlops?: number;
  /** The kind of the artefact, if commands that take a model can run it. */
  readonly head?: SubjectKind;
  /** Lab tasks that `evaluate` scores. */
  readonly tasks?: readonly ScoredTask[];
  /** The choice of `freeze: auto`. */
  readonly frozen?: FrozenChoice | undefined;
  /** Notices about the stage's options and data. */
  readonly notices?: readonly string[];
  /** The data's prompt format, if all samples have the same format. */
  readonly prompts?: AdapterRecord | undefined;
  /** The first samples as readable text; absent for data without texts. */
  readonly preview?: readonly string[];
  /** A warning if the model has become useless. */
  warning?(): string | undefined;
  /** Loads the weights of another run, for the option `start`. @throws UserError */
  startFrom?(folder: string): void;
  /** Runs the first batch forward and backward, without changing or counting anything. */
  tryBatch?(): Promise<{ readonly flops: number; readonly tokens: number; readonly ms: number }>;
  /** The method's part of the receipt after `steps` steps. */
  bill?(steps: number): MethodBill;
}

/** The options and callbacks for opening a run's stages. */
export interface OpenTerms {
  readonly options: TrainOptions;
  /** The run's folder. */
  readonly out: string;
  readonly openBase: (model: string) => Promise<Base>;
  /** True if the folder contains a state to resume from. */
  readonly resumes: boolean;
  readonly labTasks?: LabTasks | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with a message about slow work before the first step. */
  readonly onNotice?: ((sentence: string) => void) | undefined;
  /** The losses of all steps so far, over all stages. */
  losses(): readonly number[];
}
