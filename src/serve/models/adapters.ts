import { statSync } from "node:fs";
import path from "node:path";
import { kindOfFile } from "../../engine/bill/shape.ts";
import { openAdapted } from "../../engine/file/adapters.ts";
import { UserError } from "../../util/errors.ts";
import { jsonObject, readJson } from "../../weights/json-file.ts";
import { hubName } from "../../weights/sources/index.ts";
import type { ServedModel } from "./served.ts";

/** A LoRA adapter that requests name as their model. Adapters share one copy of their base in memory. */
export interface ServedAdapter {
  readonly name: string;
  readonly folder: string;
  /** The size of the adapter's files. */
  readonly bytes: number;
}

/** Adapters' folders by name, for `openModel`. */
export const foldersOf = (adapters: readonly ServedAdapter[]): Record<string, string> =>
  Object.fromEntries(adapters.map(({ name, folder }) => [name, folder]));

/**
 * Adds the adapters from `specs`, each NAME=FOLDER, to their base models.
 * @throws UserError if a name is taken, a base is not served, or an adapter cannot share its base
 */
export async function withAdapters(
  served: readonly ServedModel[],
  specs: readonly string[],
  elsewhere: readonly string[],
): Promise<ServedModel[]> {
  if (specs.length === 0) return [...served];
  const bases = served.filter(({ source }) => kindOfFile(source.path) === "decoder");
  const beside = new Map<ServedModel, ServedAdapter[]>();
  const names = new Set([...elsewhere, ...served.map(({ id }) => id)]);
  for (const spec of specs) {
    const [name, folder] = parse(spec);
    if (names.has(name)) throw new UserError(`two models are named "${name}"; give the adapter another name`, 2);
    names.add(name);
    const base = await baseOf(bases, name, folder);
    const { named } = await openAdapted(base.source.path, { adapters: { [name]: folder } });
    const bytes = named.get(name)!.files.reduce((sum, file) => sum + statSync(file).size, 0);
    beside.set(base, [...(beside.get(base) ?? []), { name, folder, bytes }]);
  }
  return served.map((one) => ({ ...one, adapters: beside.get(one) ?? [] }));
}

function parse(spec: string): [name: string, folder: string] {
  const [, name, folder] = /^([\w.:-]+)=(.+)$/.exec(spec) ?? [];
  if (name === undefined || folder === undefined)
    throw new UserError(`--adapter: expected NAME=FOLDER, got ${JSON.stringify(spec)}`, 2);
  return [name, folder];
}

/** The only possible base for an adapter, or the base named in the adapter's settings. */
async function baseOf(bases: readonly ServedModel[], name: string, folder: string): Promise<ServedModel> {
  const [only, ...more] = bases;
  if (!only)
    throw new UserError(`--adapter ${name}: none of the served models is its base, which must generate text`, 2);
  if (more.length === 0) return only;
  const settings = readJson(path.join(folder, "adapter_config.json"), jsonObject, "a PEFT adapter's settings");
  const baseName = settings["base_model_name_or_path"];
  const matches: ServedModel[] = [];
  for (const base of bases) if (await isNamed(base, baseName)) matches.push(base);
  if (matches.length === 1) return matches[0]!;
  const got = `its base_model_name_or_path is ${JSON.stringify(baseName) ?? "missing"}`;
  const ids = bases.map(({ id }) => id).join(", ");
  throw new UserError(`--adapter ${name}: ${got}, expected the name of one of ${ids}`, 2);
}

async function isNamed({ id, model, source }: ServedModel, name: unknown): Promise<boolean> {
  if (typeof name !== "string") return false;
  return [id, model, await hubName(model, source)].includes(name) || path.resolve(name) === source.path;
}
