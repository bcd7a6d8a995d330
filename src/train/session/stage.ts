import type { AdapterRecord } from "../../weights/adapter/record.ts";
import type { MethodBill } from "../methods/method.ts";
import type { TrainOptions } from "../options.ts";
import type { PassCost } from "../step/passes.ts";
import type { Trained } from "../subject/own-subject.ts";
import type { Base } from "../subject/subject.ts";
import type { Evaluation } from "./evaluation.ts";
import type { LabTasks, ScoredTask } from "./tasks.ts";

/** What a step did. */
export interface StepResult {
  /** Nats a label, the mean of the step's labels. */
  readonly loss: number;
  readonly rate: number;
  /** The gradient's length before it is clipped. */
  readonly norm: number;
  readonly labelled: number;
  /** Positions and samples of this step. */
  readonly tokens: number;
  readonly samples: number;
  /** Present if the loss or the gradient was not finite and the weights stayed. */
  readonly skipped?: true;
}

/** FLOPs since they were last taken. */
export interface StageCost extends PassCost {
  /** The backward passes if nothing were frozen; absent: nothing is. */
  readonly denseBackward?: number;
}

/** Updates of the weights so far, and steps without one. */
export interface UpdateCounters {
  updates: number;
  skipped: number;
}

/**
 * A part of a training with steps of its own. A session runs it, keeps its state, goes on from there, and bills it. A
 * step depends only on its number, the counters and the states.
 */
export interface Stage extends Disposable {
  /** Unlike the names of the training's other stages, and a folder's; "" if there is one stage alone. */
  readonly name: string;
  readonly steps: number;
  /** SHA-256 of what the steps read. */
  readonly data: { readonly hash: string };
  /** All numbers that the steps change, by name: the memory itself. Kept with each checkpoint, and filled when a run resumes. */
  readonly states: Readonly<Record<string, Float32Array<ArrayBuffer>>>;
  /** Makes its programs; called once, before the first step. */
  prepare?(): Promise<void>;
  /** Runs step `i`, counted from 0, and counts its update. @throws Spike if the loss or its gradient is not finite and the options say stop */
  step(i: number, counters: UpdateCounters): Promise<StepResult>;
  /** Judges what is trained as it is. */
  evaluate?(): Promise<Evaluation>;
  takeCost(): StageCost;
  /** FLOPs of one update; absent: none. */
  readonly updateFlops?: number;
  /** What was trained, if commands that take a model run it. */
  readonly head?: Trained;
  /** Lab tasks that `evaluate` scores. */
  readonly tasks?: readonly ScoredTask[];
  /** Sentences on its options and data. */
  readonly notices?: readonly string[];
  /** How the prompts of its data are written, if they are in one form. */
  readonly prompts?: AdapterRecord | undefined;
  /** A sentence if what is trained has become useless. */
  warning?(): string | undefined;
  /** Gives it the weights of another run, by the option `start`. @throws UserError */
  startFrom?(folder: string): void;
  /** Runs the first batch forward and backward; changes and counts nothing. */
  tryBatch?(): Promise<{ readonly flops: number; readonly tokens: number; readonly ms: number }>;
  /** Its part of the receipt after `steps` steps. */
  bill?(steps: number): MethodBill;
}

/** A run whose stages are being opened. */
export interface OpenTerms {
  readonly options: TrainOptions;
  /** The run's folder. */
  readonly out: string;
  readonly openBase: (model: string) => Promise<Base>;
  /** True if the folder holds a state to go on from. */
  readonly resumes: boolean;
  readonly labTasks?: LabTasks | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with a sentence on what takes long before the first step. */
  readonly onNotice?: ((sentence: string) => void) | undefined;
  /** The loss of each step so far, of all stages. */
  losses(): readonly number[];
}
