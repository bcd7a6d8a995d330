import { existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { UserError } from "../../util/errors.ts";
import { ensureSpace, megabytes } from "./disk.ts";
import { asDropped, Dropped, hostOf, refusal, Stall, startOf, totalOf } from "./network.ts";
import { Part } from "./part.ts";

export interface Download {
  url: string;
  /** Where the file goes; until it is whole it grows in `<to>.part` beside it. */
  to: string;
  /** Hex SHA-256 that the file must have. */
  sha256: string;
  /** Bytes that the caller will write to the same disk afterwards. */
  reserve?: number | undefined;
  /** Bytes held and bytes in all; `total` is 0 while the server has not told it. */
  onProgress?: ((done: number, total: number) => void) | undefined;
  /** A sentence for the user: a dropped connection, a wait. */
  onNotice?: ((sentence: string) => void) | undefined;
  signal?: AbortSignal | undefined;
  pace?: Pace | undefined;
}

export interface Pace {
  /** Failures in a row, none of them bringing a new byte, after which the download is given up. */
  attempts: number;
  /** Wait before the second attempt, in ms; it doubles with each failure. */
  delayMs: number;
  /** A connection that brings nothing for so long counts as dropped, in ms. */
  stallMs: number;
}

const patient: Pace = { attempts: 5, delayMs: 500, stallMs: 30_000 };

/**
 * Fetches `url` into `to`, going on where an earlier run stopped, and returns once the file is there with the right hash.
 * One process at a time may fetch into one file: callers hold a lock (`withLock`).
 *
 * A resumed request carries no `If-Range`: the hash already names the bytes, and a file that was pieced together from two
 * versions, or spoiled on disk, fails it and is fetched once more from the start.
 * @throws UserError on a refusal, a network that stays down, a full disk or a wrong hash; an `AbortError` on `signal`.
 */
export async function download(job: Download): Promise<void> {
  const partPath = `${job.to}.part`;
  // A whole file from an earlier run is checked like any part.
  if (existsSync(job.to)) await rename(job.to, partPath);
  for (;;) {
    const { digest, resumed } = await fill(job, partPath);
    if (digest === job.sha256) return rename(partPath, job.to);
    await rm(partPath);
    if (!resumed) throw mismatch(job, digest);
    job.onNotice?.(`${basename(job.to)} does not match its hash after resuming; fetching it from the start`);
  }
}

const mismatch = (job: Download, digest: string): UserError =>
  new UserError(
    `${basename(job.to)} from ${hostOf(job.url)} has SHA-256 ${digest}, expected ${job.sha256}; it was deleted`,
  );

interface Filled {
  digest: string;
  /** Whether some of it came from an earlier run. */
  resumed: boolean;
}

async function fill(job: Download, path: string): Promise<Filled> {
  const part = await Part.open(path);
  try {
    const before = part.bytes;
    // A run may have been killed between the last byte and the rename.
    if (part.digest() !== job.sha256) await fetchRest(job, part);
    return { digest: part.digest(), resumed: before > 0 };
  } finally {
    await part.close();
  }
}

async function fetchRest(job: Download, part: Part): Promise<void> {
  const { attempts, delayMs } = job.pace ?? patient;
  let most = part.bytes;
  for (let failures = 0; ; ) {
    const dropped = await attempt(job, part);
    if (dropped === undefined) return;
    failures = part.bytes > most ? 1 : failures + 1;
    most = Math.max(most, part.bytes);
    if (failures >= attempts) throw new UserError(`${problem(job, dropped)}${keptSoFar(part)}`);
    await pause(job, part, dropped, Math.max(dropped.waitMs, delayMs * 2 ** (failures - 1)));
  }
}

const problem = (job: Download, dropped: Dropped): string =>
  `cannot fetch ${basename(job.to)} from ${hostOf(job.url)}: ${dropped.message}`;

const keptSoFar = (part: Part): string =>
  part.bytes > 0 ? `; the ${megabytes(part.bytes)} fetched so far are kept, and the next try goes on from there` : "";

async function pause(job: Download, part: Part, dropped: Dropped, ms: number): Promise<void> {
  job.onNotice?.(`${problem(job, dropped)}; trying again in ${(ms / 1000).toFixed(1)} s`);
  try {
    await sleep(ms, undefined, { ...(job.signal && { signal: job.signal }) });
  } catch {
    throw interrupted(job, part);
  }
}

const interrupted = (job: Download, part: Part): DOMException =>
  new DOMException(`the download of ${basename(job.to)} was interrupted${keptSoFar(part)}`, "AbortError");

/** One request; answers with what dropped it, or nothing when the file is whole. */
async function attempt(job: Download, part: Part): Promise<Dropped | undefined> {
  const stall = new Stall((job.pace ?? patient).stallMs);
  try {
    const signal = job.signal ? AbortSignal.any([job.signal, stall.signal]) : stall.signal;
    await receive(job, part, await request(job, part, signal), stall);
    return undefined;
  } catch (error) {
    if (job.signal?.aborted) throw interrupted(job, part);
    return stall.signal.aborted ? new Dropped(stall.reason) : asDropped(error, job.url);
  } finally {
    stall.end();
  }
}

/** The response to what is still missing; the part is emptied when the server starts over or cannot go on from there. */
async function request(job: Download, part: Part, signal: AbortSignal): Promise<Response> {
  const range: Record<string, string> = part.bytes > 0 ? { range: `bytes=${part.bytes}-` } : {};
  // Lengths and ranges are those of the file itself only when it is sent as it is.
  const response = await fetch(job.url, { headers: { "accept-encoding": "identity", ...range }, signal });
  if (response.status === 206 && startOf(response) === part.bytes) return response;
  if (response.status < 300 || response.status === 416) await part.reset();
  if (response.status === 200) return response;
  await response.body?.cancel();
  throw refusal(response, basename(job.to), job.url);
}

async function receive(job: Download, part: Part, response: Response, stall: Stall): Promise<void> {
  const total = totalOf(response);
  await ensureSpace(dirname(job.to), total - part.bytes + (job.reserve ?? 0), basename(job.to));
  for await (const chunk of response.body ?? []) {
    stall.touch();
    await part.append(chunk);
    job.onProgress?.(part.bytes, total);
  }
  if (part.bytes < total) throw new Dropped(`the connection closed at ${megabytes(part.bytes)} of ${megabytes(total)}`);
}
