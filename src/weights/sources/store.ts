import { existsSync, realpathSync } from "node:fs";
import { readdir, rm } from "node:fs/promises";
import { isAbsolute, join, resolve } from "node:path";
import { suggest, UserError } from "../../util/errors.ts";
import { sha256Of } from "../../util/hash.ts";
import { codeOf, writeError } from "../../util/system-errors.ts";
import { keepJson } from "../../util/write-whole.ts";
import { aliases } from "./aliases.ts";
import { heldBytes } from "./disk.ts";
import { lockFile, modelFolder, modelsFolder, programsFolder } from "./home.ts";
import { dropFromSnapshot, dropParts, repoLock, snapshotBytes } from "./hub-cache.ts";
import type { LockOptions } from "./lock.ts";
import { filesOf, type ModelRecord, readRecord, recordPath } from "./record.ts";
import { checkSound } from "./sound.ts";
import { canonicalName } from "./spec.ts";

/** A model on this machine. */
export interface ResolvedModel {
  /** The name that a user writes: an alias, `hf:…`, `pypi:…`, `npm:…` or a path. */
  name: string;
  /** Absolute path of the model's file or folder. */
  path: string;
  /** The total number of bytes of the model's files. */
  bytes: number;
  /** The source: `pypi:package:path`, or `file` for the user's own file. */
  source: string;
  /** The SHA-256 in hex, of the file or of the list of files; checked after the download. Absent for a user's file. */
  sha256?: string;
}

/**
 * Returns the downloaded model called `name`, if it is complete and has the given `sha256`. Takes three small reads;
 * verifies files in full if they have changed since the last check, or if `verify` is true.
 * @throws DamagedModel
 */
export async function cachedModel(name: string, sha256?: string, verify = false): Promise<ResolvedModel | undefined> {
  const record = await readRecord(recordPath(name));
  if (record === undefined || (sha256 !== undefined && record.sha256 !== sha256)) return undefined;
  const path = resolve(modelFolder(name), record.file);
  const files = record.files ?? [{ path: record.file, bytes: record.bytes }];
  const held = (file: string) => (isAbsolute(file) ? snapshotBytes(file) : heldBytes(join(modelFolder(name), file)));
  if (!files.every((file) => held(file.path) === file.bytes)) return undefined;
  await checkSound(record, verify);
  return { name, path, bytes: record.bytes, source: record.source, sha256: record.sha256 };
}

/** Records a model whose files are in its folder or in another cache; deletes other files from the folder. */
export async function keepModel(record: ModelRecord): Promise<ResolvedModel> {
  await keepJson(recordPath(record.name), record);
  const folder = modelFolder(record.name);
  const retained = new Set(["model.json", record.file.split("/")[0]]);
  for (const file of await readdir(folder)) {
    if (!retained.has(file)) await rm(join(folder, file), { recursive: true });
  }
  const { name, bytes, source, sha256 } = record;
  return { name, path: resolve(folder, record.file), bytes, source, sha256 };
}

/** A downloaded model, or an unusable one with the reason in one sentence. */
export interface ListedModel extends ResolvedModel {
  fault?: string;
}

/** Lists the downloaded models by name; `verify` verifies all their files. */
export async function listModels(verify = false): Promise<ListedModel[]> {
  const models = await Promise.all((await records()).map((record) => listed(record, verify)));
  return models.filter((model) => model !== undefined).sort((a, b) => a.name.localeCompare(b.name));
}

/**
 * Checks the downloaded model at `path`, if it and its files exist; `anew` verifies the files in full.
 * @throws DamagedModel
 */
export async function checkDownload(path: string, anew = false): Promise<void> {
  const record = (await records()).find(({ name, file }) => resolve(modelFolder(name), file) === path);
  if (record && filesOf(record).every((file) => existsSync(file.path))) await checkSound(record, anew);
}

async function records(): Promise<ModelRecord[]> {
  const folders = await readdir(modelsFolder()).catch((error: unknown) => {
    if (codeOf(error) === "ENOENT") return [];
    throw new UserError(`cannot read ${modelsFolder()}: ${codeOf(error)}`);
  });
  const all = await Promise.all(folders.map((folder) => readRecord(join(modelsFolder(), folder, "model.json"))));
  return all.filter((record) => record !== undefined);
}

async function listed(
  { name, file, bytes, source, sha256 }: ModelRecord,
  verify: boolean,
): Promise<ListedModel | undefined> {
  return cachedModel(name, sha256, verify).catch((error: unknown) => {
    if (!(error instanceof UserError)) throw error;
    return { name, path: resolve(modelFolder(name), file), bytes, source, sha256, fault: error.message };
  });
}

/**
 * The folder for the prepared weights of the model at `path`, a file or folder; it need not exist. It stays the same if
 * the model changes, because the weights record their source.
 */
export function preparedFolder(path: string): string {
  const key = sha256Of(realpathSync(path));
  return join(programsFolder(), key.slice(0, 24));
}

/**
 * Deletes a downloaded model, complete or partial, and its prepared weights; waits while another process downloads
 * it.
 * @throws UserError if no model with that name was downloaded
 */
export async function removeModel(text: string, options: LockOptions = {}): Promise<void> {
  const name = canonicalName(text);
  const repo = /^hf:([^@:]+)/.exec(name)?.[1];
  if (repo === undefined && !existsSync(modelFolder(name))) throw await notHere(name);
  const { withLock } = await import("./lock.ts");
  await withLock(lockFile(name), options, async () => {
    const partly = repo !== undefined && (await withLock(repoLock(repo), options, () => dropParts(repo)));
    if (!existsSync(modelFolder(name)) && !partly) throw await notHere(name);
    await dropFiles(name).catch((error: unknown) => {
      throw writeError(error, modelFolder(name));
    });
  });
}

async function notHere(name: string): Promise<UserError> {
  const names = (await listModels()).map((model) => model.name);
  return new UserError(`no model called "${name}" is downloaded${suggest(name, names)}`);
}

async function dropFiles(name: string): Promise<void> {
  const folder = modelFolder(name);
  const record = await readRecord(recordPath(name));
  if (record !== undefined) {
    const opened = resolve(folder, record.file);
    if (existsSync(opened)) await rm(preparedFolder(opened), { recursive: true, force: true });
    await dropFromSnapshot((record.files ?? []).map(({ path }) => path).filter((path) => isAbsolute(path)));
  }
  await rm(folder, { recursive: true, force: true });
  const { dropShared } = await import("./shared-package.ts");
  await dropShared(aliases[name]?.mirrors ?? []);
}
