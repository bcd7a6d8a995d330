import { kindOfFile } from "../../engine/bill/shape.ts";
import { awaitsTuning } from "../../engine/file/tune.ts";
import type { KindName } from "../../engine/kinds/index.ts";
import type { Device } from "../../runtime/device.ts";
import type { Recipe } from "../../savings/recipe.ts";
import type { RegisteredRecipe } from "../../savings/registered.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { formOfModel, type ModelForm, type Quant } from "../../weights/prepared/quant.ts";
import { chosenBits, quantHere } from "../../weights/prepared/tuning.ts";
import { preparedFolder, type ResolvedModel } from "../../weights/sources/index.ts";
import type { ServedAdapter } from "./adapters.ts";

/** A model on offer, under the name that requests use. */
export interface ServedModel {
  readonly id: string;
  /** The model's name as given at startup. */
  readonly model: string;
  readonly source: ResolvedModel;
  /** The form of the model's weights, unless a recipe sets the form. */
  readonly quant: Quant;
  readonly device: Device;
  /** The adapters that requests can name instead of the model. */
  readonly adapters: readonly ServedAdapter[];
}

/** The model and savings that a request resolves to. */
export interface ModelChoice {
  readonly served: ServedModel;
  /** The request's recipe; it is not part of the loaded model. */
  readonly recipe: Recipe;
  readonly quant: Quant;
  /** Milliseconds that the model stays in memory once unused; by default the server's setting. */
  readonly keepAlive?: number | undefined;
  /** The name of the adapter to use. */
  readonly adapter?: string | undefined;
  /** The folder of an adapter that applies to all requests of a separate copy of the model. */
  readonly ownAdapter?: string | undefined;
  /** The registered recipe in the request; `notice` says which old defaults it keeps. */
  readonly registered?:
    | { readonly name: string; readonly entry: RegisteredRecipe; readonly notice?: string | undefined }
    | undefined;
}

const kinds = new WeakMap<ResolvedModel, KindName>();

/** A model's kind, read from its file once. @throws UserError if the file is no longer a model */
export function kindOfServed({ source }: ServedModel): KindName {
  const kind = kinds.get(source) ?? kindOfFile(source.path);
  kinds.set(source, kind);
  return kind;
}

/** The form of the weights; once the model has been loaded, the form that `auto` selected. */
export const quantOfServed = ({ served: { source, device }, quant }: Pick<ModelChoice, "served" | "quant">): Quant =>
  quantHere(source, quant, device);

const forms = new WeakMap<ResolvedModel, Map<Quant, ModelForm>>();

/** The form in which a model's weights run here, once the model has been loaded. */
export function formOfServed(choice: ModelChoice): ModelForm {
  const { source } = choice.served;
  const form = formIn(source, quantOfServed(choice));
  return form.codes ? { ...form, codes: chosenBits(preparedFolder(source.path)) } : form;
}

function formIn(source: ResolvedModel, quant: Quant): ModelForm {
  const known = forms.get(source) ?? new Map<Quant, ModelForm>();
  const form = known.get(quant) ?? formOfModel(openCheckpoint(source.path), quant, 4);
  forms.set(source, known.set(quant, form));
  return form;
}

/** True if the form of a model's weights is chosen when it is next loaded. */
export const awaitsForm = ({ served: { source, device }, quant }: ModelChoice): boolean =>
  device === "cpu" && awaitsTuning({ source, quant });
