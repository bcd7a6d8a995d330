import { dirname } from "node:path";
import type { AliasFile, Mirror } from "./aliases.ts";
import type { Pace } from "./connection.ts";
import { ensureSpace, heldBytes, makeFolder } from "./disk.ts";
import { type Download, download } from "./download.ts";
import { withLock } from "./lock.ts";
import type { ResolvedModel } from "./store.ts";

/** A model to be fetched. */
export interface Wanted {
  name: string;
  mirrors: readonly Mirror[];
  /** Its files, where they are known beforehand: each must have its hash, whichever mirror it came from. */
  files?: readonly AliasFile[] | undefined;
  /** True to ask the source again for a model that is here: a branch may have moved. */
  refresh?: boolean | undefined;
  /** True to read all files of a model that is here, even unchanged ones. */
  verify?: boolean | undefined;
}

export interface PullOptions {
  /** Bytes fetched and bytes in all; `total` is 0 while unknown. */
  onProgress?: ((done: number, total: number) => void) | undefined;
  /** A sentence for the user: waiting for another process, trying again after a dropped connection. */
  onNotice?: ((sentence: string) => void) | undefined;
  /** Stops the download; what was fetched is kept for the next one. */
  signal?: AbortSignal | undefined;
  pace?: Pace | undefined;
}

/** One file to be fetched. */
export interface Fetch extends Pick<Download, "url" | "to" | "what" | "digest" | "headers" | "explain"> {
  /** Its size, or 0 where the source does not tell. */
  bytes: number;
}

/** The plan for fetching a model, or data, from one source. */
export interface Plan<T = ResolvedModel> {
  /** The source, as `list` shows it. */
  source: string;
  fetches: readonly Fetch[];
  /** Bytes that are written to disk besides those fetched. */
  unpacked: number;
  /** A file to lock while fetching, where the folder is not the model's own. */
  lock?: string;
  /** Turns what was fetched into what was wanted. */
  finish(): Promise<T>;
}

/** Fetches everything, one file after another under one count of bytes, once the disk has room for all of it. */
export async function carryOut<T>(plan: Plan<T>, name: string, options: PullOptions): Promise<T> {
  if (plan.lock === undefined) {
    await fetchAll(plan, name, options);
    return plan.finish();
  }
  const onWait = () => options.onNotice?.(`another process is fetching ${plan.source}; waiting for it`);
  return withLock(plan.lock, { onWait, signal: options.signal }, async () => {
    // Some of it may have come while waiting.
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
