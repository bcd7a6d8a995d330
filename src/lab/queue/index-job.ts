import { randomUUID } from "node:crypto";
import path from "node:path";
import { z } from "zod";
import { type Receipt, receiptSchema } from "../../ledger/receipt.ts";
import { openIndex } from "../../library/open-index.ts";
import type { AdditionCounts } from "../../retrieval/add.ts";
import { isPostgres } from "../../util/database/postgres.ts";
import { UserError } from "../../util/errors.ts";
import { readError } from "../../util/system-errors.ts";
import type { ResolveOptions } from "../../weights/sources/index.ts";
import { contentHash } from "../../weights/sources/model-hash.ts";
import type { Notice } from "./connection.ts";
import { jobId } from "./job.ts";
import { JobQueue } from "./job-queue.ts";
import { Unfit } from "./refusal.ts";

/** A file whose documents a worker adds to an index that all workers share. */
export interface IndexJob {
  /** Modicum's version, which must also be the worker's. */
  readonly version: string;
  /** Identifies the command; a later command adds the file again. */
  readonly command: string;
  readonly store: string;
  readonly name: string;
  /** The absolute path, valid for the worker as well. */
  readonly file: string;
  readonly hash: string;
}

/** @throws UserError if the file cannot be read */
const fileHash = (file: string): Promise<string> =>
  contentHash(file).catch((error: unknown) => {
    throw readError(error, file);
  });

const count = z.int().min(0);
const result = z.strictObject({
  ...{ added: count, replaced: count, unchanged: count, removed: count, empty: count },
  receipt: receiptSchema,
});

export type AddedFile = AdditionCounts & { readonly receipt: Receipt };

/**
 * Distributes files through Redis, each to a worker that adds its documents; `onFile` receives each file's changes.
 * @throws UserError if workers cannot share the index, if Redis does not answer, or if a worker fails
 */
export async function addByQueue(
  url: string,
  { name, store, files }: { name: string; store: string | undefined; files: readonly string[] },
  { version, notice, signal }: { version: string; notice: Notice; signal: AbortSignal },
  onFile: (file: string, added: AddedFile) => void,
): Promise<AddedFile[]> {
  if (store === undefined || !isPostgres(store))
    throw new UserError("--queue: expected --store postgres://user@host/database, which workers share", 2);
  await using queue = await JobQueue.open(url, notice);
  const command = randomUUID();
  const jobs = await Promise.all(
    files.map(async (source): Promise<IndexJob> => {
      const file = path.resolve(source);
      return { version, command, store, name, file, hash: await fileHash(file) };
    }),
  );
  const byId = new Map(jobs.map((job) => [jobId(job), job]));
  const all: AddedFile[] = [];
  for await (const [id, value] of queue.results("indexing", byId, signal)) {
    const added = result.parse(value);
    onFile(byId.get(id)!.file, added);
    all.push(added);
  }
  return all;
}

/** Adds a job's file. @throws Unfit if this worker lacks the file, the index or its model */
export async function addFile(
  { version, store, name, file, hash }: IndexJob,
  around: { version: string; notice: Notice; signal: AbortSignal; fetching: Pick<ResolveOptions, "onProgress"> },
): Promise<AddedFile> {
  const { notice, signal, fetching } = around;
  const open = async () => {
    if (version !== around.version)
      throw new UserError(`the command needs Modicum ${version}, and this worker has ${around.version}`);
    if ((await fileHash(file)) !== hash) throw new UserError(`${file} on this worker differs from the command's file`);
    return openIndex(name, { store, signal, onNotice: notice, ...fetching });
  };
  await using index = await open().catch((error: unknown) => {
    throw new Unfit(error);
  });
  notice(`adds ${file} to ${name}`);
  return await index.addFile(file, { signal });
}
