import type { Quant } from "../../weights/prepared/quant.ts";
import type { TrainOptions } from "../options.ts";

/** The model in training, written to disk in a form that opens like any other model. */
export interface WrittenModel {
  /** The folder of a model, an adapter, or a saving's files. */
  readonly folder: string;
  /** The model that the adapter or the saving belongs to; undefined if the folder contains a whole model. */
  readonly base: string | undefined;
  /** The saving that runs the folder's files, with its options; absent for models and adapters. */
  readonly saving?: { readonly name: string; readonly [option: string]: unknown };
  readonly quant: Quant;
}

export interface TaskScore {
  readonly quality: number;
  /** FLOPs spent on answering the items. */
  readonly flops: number;
}

export interface ScoredTask {
  /** The name as written in the options. */
  readonly name: string;
  readonly better: "higher" | "lower";
}

/** A run's tasks, with their items. */
export interface TaskScorer {
  readonly tasks: readonly ScoredTask[];
  /** Scores a model on all tasks; the scores are keyed by task name. */
  score(model: WrittenModel, signal?: AbortSignal): Promise<Readonly<Record<string, TaskScore>>>;
}

/** The lab's tasks, which the caller passes in, because training may not import the lab. */
export interface LabTasks {
  /** @throws UserError for an unknown name */
  find(names: readonly string[]): Promise<readonly ScoredTask[]>;
  /** Reads the tasks' items; `countTokens` counts as the run's tokenizer does. @throws UserError */
  open(options: Pick<TrainOptions, "tasks" | "taskLimit">, countTokens: (text: string) => number): Promise<TaskScorer>;
}
