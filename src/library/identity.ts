import { type ModelIdentity, recordedForm } from "../pipelines/model.ts";
import { registeredAs } from "../savings/registered.ts";
import { modelHash, type ResolveOptions, resolveModel } from "../weights/sources/index.ts";
import type { Model } from "./model.ts";

/** Identifies a loaded model by its weights, recipe and form; `name` is as the user wrote it. */
export async function identityOf(name: string, model: Model, quant: string | undefined): Promise<ModelIdentity> {
  const registered = await registeredAs(name);
  return {
    ...{ name, sha256: await modelHash(model.loaded.source) },
    recipe: model.recipe.map(({ text }) => text),
    quant: quant ?? registered?.quant ?? "auto",
    ...formIn(model),
  };
}

/** The part of a model's weight form that is recorded with its scores: a decoder's code width for 4-bit types, or rotated bytes. */
export const formIn = ({ loaded }: Model): Pick<ModelIdentity, "codes" | "form"> =>
  loaded.kind === "decoder" ? recordedForm(loaded.form) : {};

/**
 * The identity of the model that `load` would open, without loading it. Missing files are downloaded.
 * @throws UserError
 */
export async function identityNamed(
  name: string,
  quant: string | undefined,
  resolving: ResolveOptions,
): Promise<ModelIdentity> {
  const registered = await registeredAs(name);
  const source = await resolveModel(registered?.model ?? name, resolving);
  return {
    ...{ name, sha256: await modelHash(source) },
    recipe: registered?.steps.map(({ text }) => text) ?? [],
    quant: quant ?? registered?.quant ?? "auto",
  };
}
