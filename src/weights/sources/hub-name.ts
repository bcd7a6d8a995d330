import { aliases, bytesOf } from "./aliases.ts";
import { modelHash } from "./model-hash.ts";
import { identity } from "./record.ts";
import { parseSpec } from "./spec.ts";
import type { ResolvedModel } from "./store.ts";

/**
 * The name under which other tools find an adapter's base model: a repository on the Hugging Face hub. A user's own
 * file is identified by its hash. An unknown file keeps the name that the user gave; a model that the package ships has
 * its folder's path as its name.
 */
export async function hubName(spec: string, model: ResolvedModel): Promise<string> {
  const parsed = parseSpec(spec);
  switch (parsed.kind) {
    case "alias":
      return aliases[parsed.name]!.repo;
    case "hf":
      return parsed.repo;
    case "shipped":
      return model.path;
    case "pypi":
    case "npm":
    case "file":
      return (await repoByHash(model)) ?? spec;
  }
}

/** The repository of a known file. Hashes a file only if its size matches a known file's. */
async function repoByHash(model: ResolvedModel): Promise<string | undefined> {
  const alike = Object.values(aliases).filter(({ files }) => files.length === 1 && bytesOf({ files }) === model.bytes);
  if (alike.length === 0) return undefined;
  const hash = await modelHash(model);
  return alike.find(({ files }) => identity(files) === hash)?.repo;
}
