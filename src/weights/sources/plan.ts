import { dirname } from "node:path";
import type { AliasFile, Mirror } from "./aliases.ts";
import type { Pace } from "./connection.ts";
import { ensureSpace, heldBytes, makeFolder } from "./disk.ts";
import { type Download, download } from "./download.ts";
import { withLock } from "./lock.ts";
import type { ResolvedModel } from "./store.ts";

/** A model to fetch. */
export interface ModelRef {
  name: string;
  mirrors: readonly Mirror[];
  /** The model's files, if known in advance; whatever the mirror, each must have the expected hash. */
  files?: readonly AliasFile[] | undefined;
  /** True to ask the source again for a local model, because a branch may have moved. */
  refresh?: boolean | undefined;
  /** True to verify all files of a local model, even unchanged ones. */
  verify?: boolean | undefined;
}

export interface PullOptions {
  /** Called with the number of bytes fetched and the total, which is 0 while unknown. */
  onProgress?: ((done: number, total: number) => void) | undefined;
  /** Called with a sentence for the user, about waiting for another process or retrying after a dropped connection. */
  onNotice?: ((sentence: string) => void) | undefined;
  /** Stops the download; fetched bytes are kept for the next attempt. */
  signal?: AbortSignal | undefined;
  pace?: Pace | undefined;
  /** True to use only what is on this machine; a missing file is then an error. */
  offline?: boolean | undefined;
}

/** One file to fetch. */
export interface Fetch extends Pick<Download, "url" | "to" | "what" | "digest" | "headers" | "explain"> {
  /** The size, or 0 if the source does not state it. */
  bytes: number;
}

/** The plan for fetching a model, or data, from one source. */
export interface Plan<T = ResolvedModel> {
  /** The name of the source, as shown by `list`. */
  source: string;
  fetches: readonly Fetch[];
  /** The number of bytes written to disk in addition to the downloaded ones. */
  unpacked: number;
  /** A file to lock during the download, if the folder is shared. */
  lock?: string;
  /** Converts downloaded files to the result. */
  finish(): Promise<T>;
}

/** Fetches all files, one after another and with a single byte count, if the disk has room for all. */
export async function carryOut<T>(plan: Plan<T>, name: string, options: PullOptions): Promise<T> {
  if (plan.lock === undefined) {
    await fetchAll(plan, name, options);
    return plan.finish();
  }
  const onWait = () => options.onNotice?.(`another process is fetching ${plan.source}; waiting for it`);
  return withLock(plan.lock, { onWait, signal: options.signal }, async () => {
    // Some files may have been downloaded while this process waited.
    const fetches = plan.fetches.filter(({ to, bytes }) => heldBytes(to) !== bytes);
    await fetchAll({ ...plan, fetches }, name, options);
    return plan.finish();
  });
}

async function fetchAll(plan: Plan<unknown>, name: string, options: PullOptions): Promise<void> {
  const total = plan.fetches.reduce((sum, { bytes }) => sum + bytes, 0);
  const known = plan.fetches.every(({ bytes }) => bytes > 0);
  if (plan.fetches[0]) await makeRoom(plan, dirname(plan.fetches[0].to), total, name);
  let before = 0;
  for (const fetch of plan.fetches) {
    const onProgress = (done: number, own: number) => options.onProgress?.(before + done, known ? total : own);
    await download({ ...fetch, ...options, onProgress, reserve: known ? 0 : plan.unpacked });
    before += fetch.bytes;
  }
}

async function makeRoom(plan: Plan<unknown>, folder: string, total: number, name: string): Promise<void> {
  await makeFolder(folder);
  const held = plan.fetches.reduce((sum, { to }) => sum + (heldBytes(to) ?? heldBytes(`${to}.part`) ?? 0), 0);
  await ensureSpace(folder, Math.max(total - held, 0) + plan.unpacked, name);
}
