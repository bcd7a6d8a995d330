import type { z } from "zod";
import type { PlanPart, VisualSpan } from "./plan.ts";
import type { SavingHost } from "./seams.ts";

/** Calibrates a saving for one model on prompts like those to come: thresholds, heads. */
export interface Calibration<S extends z.ZodObject = z.ZodObject> {
  /** Names the result: "a threshold for each layer and head". */
  readonly summary: string;
  /** The options of learning; each has a default and a description. */
  readonly options: S;
  /** @throws UserError if the saving does not support the model */
  learn(host: CalibrationHost, prompts: readonly CalibrationPrompt[], options: z.output<S>): Promise<Learnt>;
}

/** A prompt like those to come. */
export interface CalibrationPrompt {
  /** Token ids; ids below 0 stand for rows of images. */
  readonly prompt: readonly number[];
  /** The rows of images, [hidden] each, by their ids. */
  readonly embeddings: ReadonlyMap<number, Float32Array>;
  /** The grids of images. */
  readonly visual: readonly VisualSpan[];
}

/** The model that a saving learns from. */
export interface CalibrationHost extends SavingHost {
  /** Runs a prompt under one saving's part of a plan, nothing of it from a cache; the logits after its last token, until the next run. */
  prefill(prompt: CalibrationPrompt, part: PlanPart): Promise<Float32Array>;
  /** Reads texts as answers are written. */
  read(texts: readonly GivenText[]): Promise<void>;
  /** The hash of all prompts. */
  readonly textsSha256: string;
}

/** A text whose end is read as an answer is written: token by token, under one saving's part of a plan. */
export interface GivenText {
  readonly prompt: readonly number[];
  readonly answer: readonly number[];
  readonly part: PlanPart;
  /** Takes the logits after each token of the answer; they are overwritten by the next. */
  onLogits(logits: Float32Array): void;
}

/** The result of a calibration. */
export interface Learnt {
  /** The contents of a JSON file that names the hashes of the model and of the texts. */
  readonly artefact: Readonly<Record<string, unknown>>;
  /** One line for people. */
  readonly summary: string;
  /** The saving that uses the artefact, once it is kept in `file`. */
  use(file: string): string;
}
