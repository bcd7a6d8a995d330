import { kindOfFile } from "../../engine/bill/shape.ts";
import type { KindName } from "../../engine/kinds/index.ts";
import type { Device } from "../../runtime/device.ts";
import type { Recipe } from "../../savings/recipe.ts";
import type { Registered } from "../../savings/registered.ts";
import { openCheckpoint } from "../../weights/checkpoint.ts";
import { formOfModel, type ModelForm, type Quant } from "../../weights/prepared/quant.ts";
import { chosenBits } from "../../weights/prepared/tuning.ts";
import { preparedFolder, type ResolvedModel } from "../../weights/sources/index.ts";
import type { ServedAdapter } from "./adapters.ts";

/** A model that the server offers, under the name that requests use. */
export interface Served {
  readonly id: string;
  /** The model's name as given at startup. */
  readonly model: string;
  readonly source: ResolvedModel;
  /** The form of its weights, if a recipe does not set it. */
  readonly quant: Quant;
  readonly device: Device;
  /** Adapters that requests name, beside it. */
  readonly adapters: readonly ServedAdapter[];
}

/** The model and savings that a request resolves to. */
export interface Chosen {
  readonly served: Served;
  /** The request's recipe; it is no part of the loaded model. */
  readonly recipe: Recipe;
  readonly quant: Quant;
  /** Milliseconds that the model stays in memory once unused; by default the server's setting. */
  readonly keepAlive?: number | undefined;
  /** The name of the adapter that answers in the model's place. */
  readonly adapter?: string | undefined;
  /** The folder of an adapter for all of its requests: a copy of its own in memory. */
  readonly ownAdapter?: string | undefined;
  /** The registered recipe that was named; `notice` says which old defaults it keeps. */
  readonly registered?:
    | { readonly name: string; readonly entry: Registered; readonly notice?: string | undefined }
    | undefined;
}

const kinds = new WeakMap<ResolvedModel, KindName>();

/** The kind of a model, read from its file once. @throws UserError if the file is no model's any more */
export function kindOfServed({ source }: Served): KindName {
  const kind = kinds.get(source) ?? kindOfFile(source.path);
  kinds.set(source, kind);
  return kind;
}

const forms = new WeakMap<ResolvedModel, ModelForm>();

/** The form of a model's weights as it runs here, loaded or not. */
export function formOfServed({ served: { source }, quant }: Chosen): ModelForm {
  const form = forms.get(source) ?? formOfModel(openCheckpoint(source.path), quant, 4);
  forms.set(source, form);
  return form.codes ? { ...form, codes: chosenBits(preparedFolder(source.path)) } : form;
}
