import type { AdapterRecord } from "../../weights/adapter/record.ts";
import type { FrozenChoice } from "../freeze/choice.ts";
import type { MethodBill } from "../methods/method.ts";
import type { TrainOptions } from "../options.ts";
import type { PassCost } from "../step/passes.ts";
import type { Trained } from "../subject/own-subject.ts";
import type { Base } from "../subject/subject.ts";
import type { Evaluation } from "./evaluation.ts";
import type { LabTasks, ScoredTask } from "./tasks.ts";

export interface StepResult {
  /** Nats per label, averaged over the step's labels. */
  readonly loss: number;
  readonly rate: number;
  /** The gradient's norm before clipping. */
  readonly norm: number;
  readonly labelled: number;
  /** Tokens without padding, and samples, of this step. */
  readonly tokens: number;
  readonly samples: number;
  /** Figures of the method, by name. */
  readonly metrics?: Readonly<Record<string, number>>;
  /** Present if the loss or the gradient was not finite and the weights did not change. */
  readonly skipped?: true;
}

/** FLOPs since the last reading. */
export interface StageCost extends PassCost {
  /** The FLOPs of the backward passes if nothing were frozen; absent if nothing is. */
  readonly denseBackward?: number;
}

/** The number of weight updates so far, and of skipped steps. */
export interface UpdateCounters {
  updates: number;
  skipped: number;
}

/**
 * A part of a training with its own steps. A session runs it, stores its state, resumes it, and bills it. A step
 * depends only on its number, the counters and the states.
 */
export interface Stage extends Disposable {
  /** Unique among the training's stages, and valid as a folder name; "" for a single stage. */
  readonly name: string;
  readonly steps: number;
  /** SHA-256 of the data that the steps read. */
  readonly data: { readonly hash: string };
  /**
   * The memory of all numbers that the steps change, by name. Stored with each checkpoint, and restored when a run
   * resumes.
   */
  readonly states: Readonly<Record<string, Float32Array<ArrayBuffer>>>;
  /** Compiles its programs; called once, before the first step. */
  prepare?(): Promise<void>;
  /** Runs step `i`, counted from 0, and counts its update. @throws Spike if the loss or its gradient is not finite and the options say stop */
  step(i: number, counters: UpdateCounters): Promise<StepResult>;
  /** Judges the current weights. */
  evaluate?(): Promise<Evaluation>;
  takeCost(): StageCost;
  /** FLOPs of one update; default: 0. */
  readonly updateFlops?: number;
  /** The artefact, if commands that take a model can run it. */
  readonly head?: Trained;
  /** Lab tasks that `evaluate` scores. */
  readonly tasks?: readonly ScoredTask[];
  /** The choice of `freeze: auto`. */
  readonly frozen?: FrozenChoice | undefined;
  /** Notices about its options and data. */
  readonly notices?: readonly string[];
  /** The prompt form of its data, if they have one. */
  readonly prompts?: AdapterRecord | undefined;
  /** The first samples as readable text; absent if it has no texts. */
  readonly preview?: readonly string[];
  /** A warning if the subject has become useless. */
  warning?(): string | undefined;
  /** Loads the weights of another run, by the option `start`. @throws UserError */
  startFrom?(folder: string): void;
  /** Runs the first batch forward and backward; changes and counts nothing. */
  tryBatch?(): Promise<{ readonly flops: number; readonly tokens: number; readonly ms: number }>;
  /** Its part of the receipt after `steps` steps. */
  bill?(steps: number): MethodBill;
}

/** A run while its stages open. */
export interface OpenTerms {
  readonly options: TrainOptions;
  /** The run's folder. */
  readonly out: string;
  readonly openBase: (model: string) => Promise<Base>;
  /** True if the folder holds a state to resume from. */
  readonly resumes: boolean;
  readonly labTasks?: LabTasks | undefined;
  readonly signal?: AbortSignal | undefined;
  /** Called with a message about slow work before the first step. */
  readonly onNotice?: ((sentence: string) => void) | undefined;
  /** The loss of each step so far, over all stages. */
  losses(): readonly number[];
}
