import { aliases, bytesOf } from "./aliases.ts";
import { modelHash } from "./model-hash.ts";
import { identity } from "./record.ts";
import { parseSpec } from "./spec.ts";
import type { ResolvedModel } from "./store.ts";

/**
 * The name of a model that other tools resolve, as an adapter gives its base: a repository of the Hugging Face hub. A
 * file of one's own is known by its hash; one that is not known keeps the name as the user wrote it, and a model that
 * the package ships is the path of its folder.
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

/** The repository of a known file. Only a file as large as a known one is read for its hash. */
async function repoByHash(model: ResolvedModel): Promise<string | undefined> {
  const alike = Object.values(aliases).filter(({ files }) => files.length === 1 && bytesOf({ files }) === model.bytes);
  if (alike.length === 0) return undefined;
  const hash = await modelHash(model);
  return alike.find(({ files }) => identity(files) === hash)?.repo;
}
