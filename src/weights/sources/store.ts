import { createHash } from "node:crypto";
import { existsSync, realpathSync, statSync } from "node:fs";
import { readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { suggest, UserError } from "../../util/errors.ts";
import { writeError } from "./disk.ts";
import { lockFile, modelFolder, modelsFolder, programsFolder } from "./home.ts";
import type { LockOptions } from "./lock.ts";
import { canonicalName } from "./spec.ts";

/** A model file that is on this machine. */
export interface ResolvedModel {
  /** As a user names it: an alias, `pypi:…` or a path. */
  name: string;
  /** Absolute path of the file. */
  path: string;
  bytes: number;
  /** Where it came from: `pypi:package:path`, or `file` for a file of the user's own. */
  source: string;
  /** Hex, checked when it was downloaded; absent for a file of the user's own. */
  sha256?: string;
}

/** `model.json`, written last into a model's folder: a model without it is not whole. */
interface ModelRecord {
  name: string;
  file: string;
  bytes: number;
  sha256: string;
  source: string;
}

const recordPath = (name: string): string => join(modelFolder(name), "model.json");

/** The downloaded model of that name, if it is whole and (where `sha256` is given) the one wanted. Costs two small reads. */
export async function cachedModel(name: string, sha256?: string): Promise<ResolvedModel | undefined> {
  const record = await readRecord(recordPath(name));
  if (record === undefined || (sha256 !== undefined && record.sha256 !== sha256)) return undefined;
  const path = join(modelFolder(name), record.file);
  const size = await stat(path).then(
    ({ size }) => size,
    () => undefined,
  );
  if (size !== record.bytes) return undefined;
  return { name, path, bytes: record.bytes, source: record.source, sha256: record.sha256 };
}

async function readRecord(path: string): Promise<ModelRecord | undefined> {
  try {
    const record: unknown = JSON.parse(await readFile(path, "utf8"));
    return isRecord(record) ? record : undefined;
  } catch {
    return undefined;
  }
}

/** Checked by hand: this is on the way to the first token, where loading a schema library would cost more than all the rest. */
function isRecord(value: unknown): value is ModelRecord {
  const texts = ["name", "file", "sha256", "source"] as const;
  const fields = value as Partial<Record<keyof ModelRecord, unknown>> | null;
  return texts.every((key) => typeof fields?.[key] === "string") && typeof fields?.bytes === "number";
}

/** Makes a file that lies in its model's folder the cached model, and clears away what else is there. */
export async function keepModel(record: ModelRecord): Promise<void> {
  const path = recordPath(record.name);
  try {
    await writeFile(`${path}.tmp`, `${JSON.stringify(record, null, 2)}\n`);
    await rename(`${path}.tmp`, path);
  } catch (error) {
    throw writeError(error, path);
  }
  const folder = modelFolder(record.name);
  for (const file of await readdir(folder)) {
    if (file !== record.file && file !== "model.json") await rm(join(folder, file), { recursive: true });
  }
}

/** The downloaded models, by name. */
export async function listModels(): Promise<ResolvedModel[]> {
  const folders = await readdir(modelsFolder()).catch(() => []);
  const records = await Promise.all(folders.map((folder) => readRecord(join(modelsFolder(), folder, "model.json"))));
  const models = await Promise.all(records.map((record) => record && cachedModel(record.name)));
  return models.filter((model) => model !== undefined).sort((a, b) => a.name.localeCompare(b.name));
}

/**
 * Where the prepared weights of a model file are kept: a folder that is the same for the same file (real path, size, time of last
 * change) and another after the file has changed. It need not exist.
 */
export function preparedFolder(path: string): string {
  const real = realpathSync(path);
  const { size, mtimeNs } = statSync(real, { bigint: true });
  const key = createHash("sha256").update(`${real}\0${size}\0${mtimeNs}`).digest("hex");
  return join(programsFolder(), key.slice(0, 24));
}

/**
 * Deletes a downloaded model, whole or half-fetched, and its prepared weights; waits while another process is fetching it.
 * @throws UserError when no model of that name was downloaded.
 */
export async function removeModel(text: string, options: LockOptions = {}): Promise<void> {
  const name = canonicalName(text);
  const folder = modelFolder(name);
  if (!existsSync(folder)) {
    const names = (await listModels()).map((model) => model.name);
    throw new UserError(`no model called "${name}" is downloaded${suggest(name, names)}`);
  }
  const { withLock } = await import("./lock.ts");
  await withLock(lockFile(name), options, async () => {
    const model = await cachedModel(name);
    if (model) await rm(preparedFolder(model.path), { recursive: true, force: true });
    await rm(folder, { recursive: true, force: true });
  });
}
