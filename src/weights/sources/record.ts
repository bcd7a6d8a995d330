import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";
import { sha256Of } from "../../util/hash.ts";
import { modelFolder } from "./home.ts";

/** A file of a model, relative to the model's folder. */
export interface KeptFile {
  path: string;
  bytes: number;
  /** The SHA-256 in hex; absent in records of earlier versions. */
  sha256?: string;
}

/** `model.json`, written last into a model's folder: a model without it is incomplete. */
export interface ModelRecord {
  name: string;
  /** The path to open, relative to the model's folder, or absolute if the files are in another cache. */
  file: string;
  bytes: number;
  sha256: string;
  source: string;
  /** The model's files, if there are several. */
  files?: readonly KeptFile[];
}

export const recordPath = (name: string): string => join(modelFolder(name), "model.json");

export async function readRecord(path: string): Promise<ModelRecord | undefined> {
  try {
    const record: unknown = JSON.parse(await readFile(path, "utf8"));
    return isRecord(record) ? record : undefined;
  } catch {
    return undefined;
  }
}

/** Checks without a schema library, which would take longer to load than everything else before the first token. */
function isRecord(value: unknown): value is ModelRecord {
  const texts = ["name", "file", "sha256", "source"] as const;
  const fields = value as Partial<Record<keyof ModelRecord, unknown>> | null;
  const files = fields?.files ?? [];
  const sound = Array.isArray(files) && files.every((f) => typeof f?.path === "string" && typeof f.bytes === "number");
  return sound && texts.every((key) => typeof fields?.[key] === "string") && typeof fields?.bytes === "number";
}

/** The subfolder that contains a model of several files. */
export const INNER = "model";

/** A model's files, by absolute path. */
export const filesOf = ({ name, file, bytes, sha256, files }: ModelRecord): KeptFile[] =>
  (files ?? [{ path: file, bytes, sha256 }]).map((entry) => ({
    ...entry,
    path: resolve(modelFolder(name), entry.path),
  }));

/** A model's single hash: the hash of its only file, or of the lines (`hash  path`) of `sha256sum` for all files. */
export function identity(files: readonly { path: string; sha256: string }[]): string {
  if (files.length === 1) return files[0]!.sha256;
  const lines = files.map(({ path, sha256 }) => `${sha256}  ${path}\n`).sort();
  return sha256Of(lines.join(""));
}
