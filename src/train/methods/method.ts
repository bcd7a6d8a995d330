import type { z } from "zod";
import type { DenoiserConfig } from "../../models/decoder/decoder.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import type { RunData } from "../data/open.ts";
import type { Arrange, ListReader } from "../data/samples.ts";
import type { ExitLosses, Trainee } from "../graphs/graphs.ts";
import type { Objective } from "../heads/objective.ts";
import type { TrainInput, TrainOptions } from "../options.ts";
import type { Estimate } from "../session/estimate.ts";
import type { OpenTerms, Stage } from "../session/stage.ts";
import type { Optimizer } from "../step/optimizer.ts";
import type { ParameterStore } from "../step/parameters.ts";

/** One way to spend less in training: typed options, and what it changes of a run. */
export interface Method<O = unknown> {
  readonly name: string;
  readonly summary: string;
  readonly options: z.ZodType<O>;
  /** A run's options under this method, unless the user gives others. */
  presets?(options: O): Partial<TrainInput>;
  /**
   * Special tokens that the model must have: those that it lacks are added to its tokenizer and its tables. `base` is the
   * tokenizer of the model that is trained further.
   */
  newTokens?(options: O, base?: Tokenizer): NewTokens;
  /** Reads lists as samples: other methods have none. @throws UserError if the model cannot rank */
  readList?(options: O, tokenizer: Tokenizer): ListReader;
  /** The form of samples: in most methods each place predicts the next token. */
  arrange?(options: O, run: DataHost): Arrange;
  /** The head in place of the model's own. */
  objective?(options: O, objective: Objective): Objective;
  /** Losses at layers before the last. @throws UserError if the model has no such layers */
  exits?(options: O, model: Pick<Trainee, "stack" | "objective">): ExitLosses;
  /** A loss of each router's logits. @throws UserError if the model has no experts */
  routerLoss?(options: O, model: Pick<Trainee, "stack">, run: TrainOptions): Trainee["routerLoss"];
  /** The data in place of the run's own. @throws UserError */
  data?(options: O, data: RunData, run: DataHost): RunData;
  /** The run's options once its data are known; undefined if they stay. Batches are made: `batch` cannot change. */
  fit?(options: O, run: TrainOptions, data: RunData): Fitted | undefined;
  /**
   * The training in stages of the method's own, of a model that no other method trains. What they have trained is
   * written into the run's folder once the last is done, by the code behind its `yield`. @throws UserError
   */
  stages?(options: O, run: OpenTerms): AsyncIterable<Stage>;
  /** The steps of all stages, before any has begun; absent: there is one. Writes nothing. @throws UserError if they cannot begin */
  steps?(options: O, run: OpenTerms): Promise<number>;
  /** Estimates all stages from a little of the data; absent: by a batch of the first. May write into the run's folder. @throws UserError */
  estimate?(options: O, run: OpenTerms): Promise<Estimate>;
  /** True if a run's model is trained by the `stages` of this method alone, which is then chosen without its name. */
  owns?(run: TrainOptions, base: Checkpoint | undefined): Promise<boolean>;
  /** Options of a run that `stages` reads, besides every run's; all others are refused. Absent: `stages` refuses them. */
  readonly reads?: readonly (keyof TrainOptions)[];
  /** Why no lab task scores what `stages` trains, and what judges it instead; absent: tasks are scored. */
  readonly unscored?: string;
  /** The command that takes what `stages` has written into a folder, and what it does with it. */
  next?(out: string, options: O): string;
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

/** A run's options as its data ask for them. */
export interface Fitted {
  readonly options: TrainOptions;
  /** A sentence on the change and its reason. */
  readonly notice: string;
}

/** Special tokens that a method needs. */
export interface NewTokens {
  readonly names: readonly string[];
  /** Special tokens of the model whose rows the first of them take over, in this order; the others get new rows. */
  readonly inPlaceOf?: readonly string[];
}

/** A run whose data are being opened. */
export interface DataHost {
  readonly options: TrainOptions;
  readonly tokenizer: Tokenizer;
  /** Present if the model fills in masked tokens. */
  readonly denoiser: DenoiserConfig | undefined;
}

/** A run before its first step, or before it is restored. */
export interface MethodHost {
  readonly options: TrainOptions;
  readonly store: ParameterStore;
  readonly optimizer: Optimizer;
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
  /** FLOPs that only the method needs, which no program of the step counts. */
  readonly overhead?: number;
}

/** A method in one run. Steps count from 0. */
export interface ActiveMethod {
  /** Its part of the run's state by name, changed in place; kept with each checkpoint, and filled when a run resumes. */
  readonly states?: Readonly<Record<string, Float32Array<ArrayBuffer>>>;
  /** Called before a step's batches run. */
  beforeStep?(step: number): void;
  /** Called once a step's gradients are whole, before their norm is taken. */
  beforeUpdate?(step: number): void;
  /** The bill after `steps` steps. */
  bill?(steps: number): MethodBill;
}
