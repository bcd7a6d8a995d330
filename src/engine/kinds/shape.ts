import type { Spent } from "../../graph/index.ts";

/** Lengths of answers to one prompt: `prompt` includes `cached`, `completion` is of all `answers`, which are taken to be equally long. */
export interface Generated {
  readonly prompt: number;
  readonly cached: number;
  readonly completion: number;
  readonly answers: number;
}

/**
 * The cost of a model from its published configuration alone, with weights in this engine's default form: dense, as
 * `Meter` bills it.
 */
export interface Shape {
  /** @throws UserError if the model does not generate */
  generated(lengths: Generated): Spent;
  /** Texts of `tokens` in all, taken to be equally long, read as a whole. */
  read(texts: number, tokens: number): Spent;
}

/** The folder of prepared weights: none are kept. */
export const NOWHERE = "";
