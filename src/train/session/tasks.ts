import type { Quant } from "../../weights/prepared/quant.ts";
import type { TrainOptions } from "../options.ts";

/** What is trained at a step of its training, written to be opened as any other. */
export interface WrittenModel {
  /** A model's folder, an adapter's, or one that a saving reads. */
  readonly folder: string;
  /** MODEL that the adapter or the saving is for; undefined if the folder holds a whole model. */
  readonly base: string | undefined;
  /** The saving that runs what the folder holds, with its options; absent of models and adapters. */
  readonly saving?: { readonly name: string; readonly [option: string]: unknown };
  readonly quant: Quant;
}

/** A task's metric of a model. */
export interface TaskScore {
  readonly quality: number;
  /** FLOPs of answering the items. */
  readonly flops: number;
}

export interface ScoredTask {
  /** The name as the options have it. */
  readonly name: string;
  readonly better: "higher" | "lower";
}

/** The tasks of a run, their items read. */
export interface TaskScorer {
  readonly tasks: readonly ScoredTask[];
  /** Scores by the tasks' names. */
  score(model: WrittenModel, signal?: AbortSignal): Promise<Readonly<Record<string, TaskScore>>>;
}

/** The lab's tasks. The lab is a room below this one, so it is given to a run. */
export interface LabTasks {
  /** @throws UserError for a name that there is not */
  find(names: readonly string[]): Promise<readonly ScoredTask[]>;
  /** Reads the tasks' items; `countTokens` counts a text's as the run's tokenizer does. @throws UserError */
  open(options: Pick<TrainOptions, "tasks" | "taskLimit">, countTokens: (text: string) => number): Promise<TaskScorer>;
}
