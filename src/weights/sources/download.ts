import { existsSync } from "node:fs";
import { rename, rm } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { UserError } from "../../util/errors.ts";
import { Connection, type Pace, type Remote } from "./connection.ts";
import { type Digest, digestName } from "./digest.ts";
import { ensureSpace, megabytes } from "./disk.ts";
import { inLanes, laneBytes } from "./lane.ts";
import { hostOf, startOf, TransientError, totalOf } from "./network.ts";
import { Part } from "./part.ts";
import { type Persistence, persist } from "./persist.ts";

export interface Download extends Omit<Remote, "what"> {
  /** The target path; an incomplete file grows in `<to>.part` beside it. */
  to: string;
  /** The file's name in messages; default: the name of `to`. */
  what?: string | undefined;
  digest: Digest;
  /** The number of bytes that the caller will write to the same disk afterwards. */
  reserve?: number | undefined;
  /** Called with the number of bytes present and the total, which is 0 until the server states it. */
  onProgress?: ((done: number, total: number) => void) | undefined;
  /** Called with a sentence for the user: a connection was dropped, or the download waits. */
  onNotice?: ((sentence: string) => void) | undefined;
  signal?: AbortSignal | undefined;
  pace?: Pace | undefined;
}

export const patient: Pace = { attempts: 5, delayMs: 500, stallMs: 30_000 };

/** The size of a remote file in bytes, or 0 if its server does not state it. @throws UserError */
export async function remoteBytes(
  remote: Remote,
  options: Pick<Download, "signal" | "pace" | "onNotice">,
): Promise<number> {
  const { signal = new AbortController().signal, pace = patient, onNotice } = options;
  return persist({ remote, pace, signal, onNotice, bytes: () => 0 }, async () => {
    const connection = await Connection.open(remote, pace, signal, 0, 1);
    connection.close();
    return totalOf(connection.response);
  });
}

/**
 * Downloads `url` into `to` over several connections, resuming an earlier run, and returns once the file has the right
 * hash. The partial file on disk is always a prefix of the whole file, and its length is the only state. Only one
 * process at a time may download into a file: callers hold a lock (`withLock`). A resumed request has no `If-Range`:
 * the hash already identifies the bytes. A file mixed from two versions, or damaged on disk, fails the hash and is
 * downloaded once more from the start.
 * @throws UserError on a refusal, a network that stays down, a full disk or a wrong hash; an `AbortError` on `signal`
 */
export async function download(job: Download): Promise<void> {
  const partPath = `${job.to}.part`;
  // A complete file from an earlier run is checked like a partial file.
  if (existsSync(job.to)) await rename(job.to, partPath);
  for (;;) {
    const { digest, resumed } = await fill(job, partPath);
    if (digest === job.digest.hex) return rename(partPath, job.to);
    await rm(partPath);
    if (!resumed) throw mismatch(job, digest);
    job.onNotice?.(`${nameOf(job)} does not match its hash after resuming; fetching it from the start`);
  }
}

const nameOf = ({ what, to }: Download): string => what ?? basename(to);

function mismatch(job: Download, digest: string): UserError {
  const kind = digestName(job.digest);
  return new UserError(
    `${nameOf(job)} from ${hostOf(job.url)} has ${kind} ${digest}, expected ${job.digest.hex}; it was deleted`,
  );
}

interface FilledPart {
  digest: string;
  /** True if part of the file came from an earlier run. */
  resumed: boolean;
}

async function fill(job: Download, path: string): Promise<FilledPart> {
  const part = await Part.open(path, job.digest);
  try {
    const before = part.bytes;
    // The file may be complete, if an earlier run was killed between the last byte and the rename.
    if (part.digest() !== job.digest.hex) await fetchRest(job, part);
    return { digest: part.digest(), resumed: before > 0 };
  } catch (error) {
    throw job.signal?.aborted ? interrupted(job, part) : error;
  } finally {
    await part.close();
  }
}

const keptSoFar = (part: Part): string =>
  part.bytes > 0 ? `; the ${megabytes(part.bytes)} fetched so far are kept, and the next try continues from there` : "";

const interrupted = (job: Download, part: Part): DOMException =>
  new DOMException(`the download of ${nameOf(job)} was interrupted${keptSoFar(part)}`, "AbortError");

async function fetchRest(job: Download, part: Part): Promise<void> {
  // Ends the other connections once one has failed for good.
  const end = new AbortController();
  const work: Persistence = {
    remote: { ...job, what: nameOf(job) },
    pace: job.pace ?? patient,
    signal: job.signal ? AbortSignal.any([job.signal, end.signal]) : end.signal,
    bytes: () => part.bytes,
    kept: () => keptSoFar(part),
    onNotice: once(job.onNotice),
  };
  try {
    const first = await persist(work, () => begin(work, part));
    const total = totalOf(first.response);
    await ensureSpace(dirname(job.to), total - part.bytes + (job.reserve ?? 0), nameOf(job));
    await (first.response.status === 206 ? inLanes(work, part, first, job.onProgress) : inOne(job, work, part, first));
  } finally {
    end.abort();
  }
}

/** Tells the user only once, even if several connections fail together. */
function once(say: ((sentence: string) => void) | undefined): (sentence: string) => void {
  let last = "";
  return (sentence) => {
    if (sentence !== last) say?.(sentence);
    last = sentence;
  };
}

/** Requests the first missing range; empties the part if the server starts over, or cannot continue from there. */
async function begin({ remote, pace, signal }: Persistence, part: Part): Promise<Connection> {
  const from = part.bytes;
  const connection = await Connection.open(remote, pace, signal, from, from + laneBytes).catch(async (error) => {
    // Status 416: the server has no more bytes, but the hash is wrong.
    if (error instanceof TransientError && from > 0 && error.status === 416) await part.reset();
    throw error;
  });
  const { response } = connection;
  if (response.status === 206 && startOf(response) === from && totalOf(response) > 0) return connection;
  await part.reset();
  if (response.status === 200) return connection;
  connection.close();
  throw new TransientError("the server sent a different range than requested");
}

/**
 * Downloads the whole file over one connection, if the server does not support ranges; after a drop, it starts over.
 */
async function inOne(job: Download, work: Persistence, part: Part, first: Connection): Promise<void> {
  let next: Connection | undefined = first;
  await persist(work, async () => {
    const connection = next ?? (await Connection.open(work.remote, work.pace, work.signal));
    next = undefined;
    const total = totalOf(connection.response);
    await part.reset();
    for await (const chunk of connection.chunks()) {
      await part.append(chunk);
      job.onProgress?.(part.bytes, total);
    }
    if (part.bytes < total)
      throw new TransientError(`the connection closed at ${megabytes(part.bytes)} of ${megabytes(total)}`);
  });
}
