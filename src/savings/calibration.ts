import type { z } from "zod";
import type { PlanPart, VisualSpan } from "./plan.ts";
import type { SavingHost } from "./seams.ts";

/** Calibrates part of a saving, such as thresholds or heads, for one model on typical prompts. */
export interface Calibration<S extends z.ZodObject = z.ZodObject> {
  /** The result of the calibration, such as "a threshold for each layer and head". */
  readonly summary: string;
  /** The calibration's options; each has a default and a description. */
  readonly options: S;
  /** @throws UserError if the saving does not support the model */
  learn(host: CalibrationHost, prompts: readonly CalibrationPrompt[], options: z.output<S>): Promise<Learnt>;
}

/** A typical prompt. */
export interface CalibrationPrompt {
  /** Token ids; ids below 0 stand for image embeddings. */
  readonly prompt: readonly number[];
  /** Image embeddings, [hidden] each, by id. */
  readonly embeddings: ReadonlyMap<number, Float32Array>;
  /** The grids of images. */
  readonly visual: readonly VisualSpan[];
}

/** The model that a saving learns from. */
export interface CalibrationHost extends SavingHost {
  /** Runs a prompt with a saving's part of the plan, without a cache. Its last logits are valid until the next run. */
  prefill(prompt: CalibrationPrompt, part: PlanPart): Promise<Float32Array>;
  /** Runs texts token by token, as answers are generated. */
  read(texts: readonly GivenText[]): Promise<void>;
  /** SHA-256 of all prompts' token ids. */
  readonly textsSha256: string;
}

/** A text whose end is run like an answer, token by token, with one saving's part of the plan. */
export interface GivenText {
  readonly prompt: readonly number[];
  readonly answer: readonly number[];
  readonly part: PlanPart;
  /** Receives the logits after each answer token; the next call overwrites them. */
  onLogits(logits: Float32Array): void;
}

/** The result of a calibration. */
export interface Learnt {
  /** The contents of a JSON file, with the hashes of the model and the texts. */
  readonly artefact: Readonly<Record<string, unknown>>;
  /** One line for people to read. */
  readonly summary: string;
  /** The saving text that uses the artefact stored in `file`. */
  use(file: string): string;
}
