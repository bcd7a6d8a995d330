import type { Graph, Spent } from "../../graph/index.ts";
import type { Device } from "../../runtime/device.ts";
import type { Recipe } from "../../savings/recipe.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Quant } from "../../weights/prepared/weights.ts";
import type { ResolvedModel } from "../../weights/sources/index.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import type { Lease } from "../decode/run/recipes.ts";
import type { Adapted } from "../file/adapters.ts";
import type { Described } from "../file/described.ts";

/** A loaded model of any kind. `kind` is its type: `switch (model.kind)` is checked for all kinds in the table. */
export interface Loaded extends Disposable {
  readonly kind: string;
  readonly source: ResolvedModel;
  readonly tokenizer: Tokenizer;
  /** Makes a recipe ready for requests, until the lease is disposed of; undefined if the model has no seams. @throws UserError if the recipe cannot act in the model */
  use(recipe: Recipe): Promise<Lease | undefined>;
}

/** The terms on which a model is loaded. */
interface Opening {
  readonly source: ResolvedModel;
  readonly adapted: Adapted;
  readonly recipe: Recipe;
  readonly quant: Quant;
  readonly device: Device;
  readonly onNotice?: ((sentence: string) => void) | undefined;
}

/** A kind of model: how a checkpoint of it becomes something that runs. A new kind is one file of this folder and one line of its table. */
export interface Kind<M extends Loaded> {
  /** @throws UserError if the model needs something unsupported, or the recipe cannot act in it */
  open(opening: Opening): Promise<M>;
  /** Describes a model without loading it; `folder` is that of its prepared weights. */
  describe(checkpoint: Checkpoint, folder: string, quant: Quant): Promise<Described>;
  /** A model's graphs by the names of their files. */
  export(adapted: Adapted, folder: string, quant: Quant): Promise<Record<string, Graph>>;
  /**
   * Checks, by little more than the file's header, that a recipe which is not empty can act in a model; returns it with
   * the model's presets.
   * @throws UserError
   */
  check(model: ResolvedModel, checkpoint: Checkpoint, recipe: Recipe): Promise<Recipe>;
  /** The cost of requests by a configuration alone; absent if it cannot be computed. */
  shape?(checkpoint: Checkpoint): Promise<Shape>;
}

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
