import type { z } from "zod";
import type { DenoiserConfig } from "../../models/decoder/decoder.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import type { Batch } from "../data/batch.ts";
import type { DataFiles, RunData } from "../data/open.ts";
import type { Arrange, ListReader } from "../data/samples.ts";
import type { ExitLosses, Trainee } from "../graphs/graphs.ts";
import type { Objective } from "../heads/objective.ts";
import type { TrainInput, TrainOptions } from "../options.ts";
import type { Estimate } from "../session/estimate.ts";
import type { OpenTerms, Stage } from "../session/stage.ts";
import type { Optimizer } from "../step/optimizer.ts";
import type { ParameterStore } from "../step/parameters.ts";
import type { AnySubject } from "../subject/own-subject.ts";

/** A training method: its typed options, and the changes that it makes to a run. */
export interface Method<O = unknown> {
  readonly name: string;
  readonly summary: string;
  readonly options: z.ZodType<O>;
  /** The method's defaults for a run's options. */
  presets?(options: O): Partial<TrainInput>;
  /**
   * Special tokens that the model needs; missing ones are added to its tokenizer and tables. `base` is the tokenizer of
   * the model to continue.
   */
  newTokens?(options: O, base?: Tokenizer): NewTokens;
  /** Reads lists as samples; undefined for methods without lists. @throws UserError if the model cannot rank */
  readList?(options: O, tokenizer: Tokenizer): ListReader;
  /** Arranges samples; by default, each position predicts the next token. */
  arrange?(options: O, run: DataHost): Arrange;
  /** Replaces the model's own head. */
  objective?(options: O, objective: Objective): Objective;
  /** Losses at layers before the last. @throws UserError if the model lacks these layers */
  exits?(options: O, model: Pick<Trainee, "stack" | "objective">): ExitLosses;
  /** A loss on each router's logits. @throws UserError if the model has no experts */
  routerLoss?(options: O, model: Pick<Trainee, "stack">, run: TrainOptions): Trainee["routerLoss"];
  /** Reads the run's files in the method's own format. @throws UserError with file and line */
  openData?(options: O, run: DataHost, files: DataFiles): RunData | Promise<RunData>;
  /** Replaces the run's own data. @throws UserError */
  data?(options: O, data: RunData, run: DataHost): RunData;
  /** Adapts the run's options to its data; undefined if unchanged. Batches already exist, so `batch` cannot change. */
  fit?(options: O, run: TrainOptions, data: RunData): FittedOptions | undefined;
  /**
   * Trains in the method's own stages, for a model that no other method can train. The code after the last `yield`
   * writes the artefact into the run's folder. @throws UserError
   */
  stages?(options: O, run: OpenTerms): AsyncIterable<Stage>;
  /**
   * Counts the steps of all stages in advance; absent if there is only one stage. Writes nothing. @throws UserError if
   * the stages cannot begin
   */
  steps?(options: O, run: OpenTerms): Promise<number>;
  /**
   * Estimates the cost of all stages from a small part of the data; by default, it is estimated from a batch of the
   * first stage. May write into the run's folder. @throws UserError
   */
  estimate?(options: O, run: OpenTerms): Promise<Estimate>;
  /** True if only this method's `stages` can train a run's model; the run then need not name the method. */
  owns?(run: TrainOptions, base: Checkpoint | undefined): Promise<boolean>;
  /**
   * The options that `stages` reads in addition to the options of every run; all other options are rejected. If absent,
   * `stages` rejects other options itself.
   */
  readonly reads?: readonly (keyof TrainOptions)[];
  /** For methods whose models no lab task can score: the reason, and another way to judge these models. */
  readonly unscored?: string;
  /** Changes the model that a run has written to its folder. @throws UserError */
  finish?(options: O, folder: string): Promise<void>;
  /** The command that uses the artefact in a folder, and its purpose; `model` is the run's model. */
  next?(out: string, options: O, model?: string): string;
  /** Prepares the method for one run. @throws UserError if the model or the run's options do not fit */
  open?(options: O, run: MethodHost): ActiveMethod;
}

/** A method with its options. */
export interface ChosenMethod {
  readonly method: Method;
  readonly options: unknown;
}

/** The name of a run's method in receipts; "" for plain training. */
export const methodName = (method: TrainOptions["method"]): string =>
  typeof method === "object" ? method.name : (method ?? "");

/** A run's options, adapted to its data. */
export interface FittedOptions {
  readonly options: TrainOptions;
  /** A sentence that describes the change and its reason. */
  readonly notice: string;
}

/** Special tokens that a method adds. */
export interface NewTokens {
  readonly names: readonly string[];
  /** Existing special tokens whose rows the first new tokens take over, in this order; any others get new rows. */
  readonly inPlaceOf?: readonly string[];
}

/** A run while its data are opened. */
export interface DataHost {
  readonly options: TrainOptions;
  readonly tokenizer: Tokenizer;
  /** Present for models that fill in masked tokens. */
  readonly denoiser: DenoiserConfig | undefined;
}

/** A run before its first step, or before its state is restored. */
export interface MethodHost {
  readonly options: TrainOptions;
  readonly subject: AnySubject;
  readonly store: ParameterStore;
  readonly optimizer: Optimizer;
  readonly data: RunData;
  /** Steps of the whole run. */
  readonly steps: number;
}

/** A counter of a receipt's `work`. */
export interface WorkCount {
  readonly dense: number;
  readonly run: number;
}

/** A method's part of a run's receipt. */
export interface MethodBill {
  readonly work?: Readonly<Record<string, WorkCount>>;
  /** The method's FLOPs that the step's programs do not count. */
  readonly overhead?: number;
  /** Milliseconds spent in each part of the steps. */
  readonly ms?: Readonly<Record<string, number>>;
}

/** A method in one run. Steps count from 0. */
export interface ActiveMethod extends Partial<Disposable> {
  /** State of the method that it changes in place, by name; stored in checkpoints, restored when a run resumes. */
  readonly states?: Readonly<Record<string, Float32Array<ArrayBuffer>>>;
  /** Called before a step's batches run; `evaluate` runs a batch's forward pass. */
  beforeStep?(step: number, evaluate: (batch: Batch) => Promise<unknown>): void | Promise<void>;
  /** Called once a step's gradients are complete, before their norm is computed. */
  beforeUpdate?(step: number): void;
  /** The last step's metrics, for its report. */
  readonly metrics?: Readonly<Record<string, number>>;
  /** The bill after `steps` steps. */
  bill?(steps: number): MethodBill;
}
