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

/** One way to spend less in training: typed options, and its changes to a run. */
export interface Method<O = unknown> {
  readonly name: string;
  readonly summary: string;
  readonly options: z.ZodType<O>;
  /** The method's defaults for a run's options. */
  presets?(options: O): Partial<TrainInput>;
  /**
   * Special tokens that the model needs; missing ones are added to its tokenizer and tables. `base`: the tokenizer of
   * the model to continue.
   */
  newTokens?(options: O, base?: Tokenizer): NewTokens;
  /** Reads lists as samples; undefined for methods without lists. @throws UserError if the model cannot rank */
  readList?(options: O, tokenizer: Tokenizer): ListReader;
  /** Arranges samples; in most methods, each position predicts the next token. */
  arrange?(options: O, run: DataHost): Arrange;
  /** The head that replaces the model's own. */
  objective?(options: O, objective: Objective): Objective;
  /** Losses at layers before the last. @throws UserError if the model lacks such layers */
  exits?(options: O, model: Pick<Trainee, "stack" | "objective">): ExitLosses;
  /** A loss on each router's logits. @throws UserError if the model has no experts */
  routerLoss?(options: O, model: Pick<Trainee, "stack">, run: TrainOptions): Trainee["routerLoss"];
  /** Reads the run's files in the method's own form. @throws UserError with file and line */
  openData?(options: O, run: DataHost, files: DataFiles): RunData | Promise<RunData>;
  /** The data that replace the run's own. @throws UserError */
  data?(options: O, data: RunData, run: DataHost): RunData;
  /**
   * The run's options once its data are known; undefined if unchanged. Batches exist by then, so `batch` cannot change.
   */
  fit?(options: O, run: TrainOptions, data: RunData): Fitted | undefined;
  /**
   * Trains in the method's own stages, for a model that no other method trains. The code after the last `yield` writes
   * the artefact into the run's folder. @throws UserError
   */
  stages?(options: O, run: OpenTerms): AsyncIterable<Stage>;
  /**
   * Counts the steps of all stages in advance; absent if there is only one stage. Writes nothing. @throws UserError if
   * the stages cannot begin
   */
  steps?(options: O, run: OpenTerms): Promise<number>;
  /**
   * Estimates all stages from a small part of the data; if absent, a batch of the first stage gives the estimate. May
   * write into the run's folder. @throws UserError
   */
  estimate?(options: O, run: OpenTerms): Promise<Estimate>;
  /** True if only this method's `stages` can train a run's model; it need not be named then. */
  owns?(run: TrainOptions, base: Checkpoint | undefined): Promise<boolean>;
  /**
   * Further options that `stages` reads, besides every run's; all others are refused. If absent, `stages` refuses them
   * itself.
   */
  readonly reads?: readonly (keyof TrainOptions)[];
  /** Why no lab task scores the subject of `stages`, and what judges it instead; absent if tasks can score it. */
  readonly unscored?: string;
  /** Changes the model that a run has written into its folder. @throws UserError */
  finish?(options: O, folder: string): Promise<void>;
  /** The command that uses the artefact in a folder, and its purpose; `model` names the run's model. */
  next?(out: string, options: O, model?: string): string;
  /** Prepares the method for one run. @throws UserError if the model or the run's options do not fit */
  open?(options: O, run: MethodHost): ActiveMethod;
}

/** A method with its options. */
export interface ChosenMethod {
  readonly method: Method;
  readonly options: unknown;
}

/** The text by which receipts name a run's method: "" is plain training. */
export const methodName = (method: TrainOptions["method"]): string =>
  typeof method === "object" ? method.name : (method ?? "");

/** A run's options, adapted to its data. */
export interface Fitted {
  readonly options: TrainOptions;
  /** A sentence on the change and its reason. */
  readonly notice: string;
}

/** Special tokens for a method. */
export interface NewTokens {
  readonly names: readonly string[];
  /** Special tokens of the model whose rows become the first new tokens' rows, in this order; the others get new rows. */
  readonly inPlaceOf?: readonly string[];
}

/** A run while its data are opened. */
export interface DataHost {
  readonly options: TrainOptions;
  readonly tokenizer: Tokenizer;
  /** Present if the model fills in masked tokens. */
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
export interface Counted {
  readonly dense: number;
  readonly run: number;
}

/** A method's part of a run's receipt. */
export interface MethodBill {
  readonly work?: Readonly<Record<string, Counted>>;
  /** FLOPs of the method that are not counted by the step's programs. */
  readonly overhead?: number;
  /** Milliseconds of the parts of its steps. */
  readonly ms?: Readonly<Record<string, number>>;
}

/** A method in one run. Steps count from 0. */
export interface ActiveMethod extends Partial<Disposable> {
  /** Its part of the run's state by name, changed in place; stored with each checkpoint, and restored when a run resumes. */
  readonly states?: Readonly<Record<string, Float32Array<ArrayBuffer>>>;
  /** Called before a step's batches run; `evaluate` runs a batch forward. */
  beforeStep?(step: number, evaluate: (batch: Batch) => Promise<unknown>): void | Promise<void>;
  /** Called once a step's gradients are complete, before their norm is computed. */
  beforeUpdate?(step: number): void;
  /** Figures of the last step, for its report. */
  readonly metrics?: Readonly<Record<string, number>>;
  /** The bill after `steps` steps. */
  bill?(steps: number): MethodBill;
}
