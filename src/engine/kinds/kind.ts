import type { Graph, Spent } from "../../graph/index.ts";
import type { Device } from "../../runtime/device.ts";
import type { Recipe } from "../../savings/recipe.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Quant } from "../../weights/prepared/weights.ts";
import type { ResolvedModel } from "../../weights/sources/index.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import type { Lease } from "../decode/run/recipes.ts";
import type { ModelFiles } from "../file/adapters.ts";
import type { KindFacts } from "../file/described.ts";

/** A loaded model of any kind. `kind` is its discriminant: `switch (model.kind)` is checked for all kinds in the table. */
export interface BaseModel extends Disposable {
  readonly kind: string;
  readonly source: ResolvedModel;
  readonly tokenizer: Tokenizer;
  /** Prepares a recipe for requests, until the lease is disposed of; undefined if the model has no seams. @throws UserError if the model does not support the recipe */
  use(recipe: Recipe): Promise<Lease | undefined>;
}

/** The arguments for loading a model. */
interface Opening {
  readonly source: ResolvedModel;
  readonly adapted: ModelFiles;
  readonly recipe: Recipe;
  readonly quant: Quant;
  readonly device: Device;
  readonly onNotice?: ((sentence: string) => void) | undefined;
}

/** A kind of model: how its checkpoints are opened and run. A new kind is one file in this folder and one line in its table. */
export interface Kind<M extends BaseModel> {
  /** @throws UserError if the model needs something unsupported, or does not support the recipe */
  open(opening: Opening): Promise<M>;
  /** Describes a model without loading it; `folder` is for its prepared weights. */
  describe(checkpoint: Checkpoint, folder: string, quant: Quant): Promise<KindFacts>;
  /** A model's graphs by file name; absent if none can be exported. */
  export?(files: ModelFiles, folder: string, quant: Quant): Promise<Record<string, Graph>>;
  /**
   * Checks, mostly from the file's header, that a model supports a non-empty recipe; returns it with the model's
   * presets.
   * @throws UserError
   */
  check(model: ResolvedModel, checkpoint: Checkpoint, recipe: Recipe): Promise<Recipe>;
  /** The cost of requests from a configuration alone; absent if it cannot be computed. */
  shape?(checkpoint: Checkpoint): Promise<Shape>;
}

/**
 * Lengths of the answers to one prompt: `prompt` includes `cached`, and `completion` is the total of all `answers`, assumed
 * to be equally long.
 */
export interface AnswerLengths {
  readonly prompt: number;
  readonly cached: number;
  readonly completion: number;
  readonly answers: number;
}

/**
 * The cost of a model from its published configuration alone, with weights in this engine's default form: the dense
 * cost, as in `Meter`.
 */
export interface Shape {
  /** The cost of generating answers. @throws UserError if the model does not generate */
  generated(lengths: AnswerLengths): Spent;
  /** The cost of reading texts of `tokens` tokens in total, assumed to be equally long. */
  read(texts: number, tokens: number): Spent;
}

/** The value for the folder of prepared weights if none are stored. */
export const NOWHERE = "";
