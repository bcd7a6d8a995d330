import { randomUUID } from "node:crypto";
import { existsSync } from "node:fs";
import path from "node:path";
import { z } from "zod";
import { openBase } from "../../library/train.ts";
import { trainOptions } from "../../train/options.ts";
import { advanceRun, type Elsewhere, type RunPart } from "../../train/sweep/sweep-run.ts";
import { UserError } from "../../util/errors.ts";
import { makeFolders } from "../../util/make-folders.ts";
import { writeJson } from "../../util/write-whole.ts";
import { readJson } from "../../weights/json-file.ts";
import type { ResolveOptions } from "../../weights/sources/index.ts";
import { labTasks } from "../training/lab-tasks.ts";
import type { Notice } from "./connection.ts";
import { jobId } from "./job.ts";
import { JobQueue } from "./job-queue.ts";
import { Unfit } from "./refusal.ts";

/** A part of a sweep's run, in a folder that the sweep and its workers share. */
export interface RunJob {
  /** Modicum's version, which must also be the worker's. */
  readonly version: string;
  /** The sweep's working directory, for relative paths in its options. */
  readonly directory: string;
  /** The absolute path of the sweep's folder, and a mark by which workers recognise the folder. */
  readonly sweep: { readonly folder: string; readonly mark: string };
  readonly part: RunPart;
}

const markSchema = z.strictObject({ mark: z.string() });
const result = z.object({ fault: z.string().optional() });

const markFile = (folder: string): string => path.join(folder, "queue.json");

/** The mark of a sweep's folder, created on the first call. */
async function markOf(folder: string): Promise<string> {
  const file = markFile(folder);
  if (existsSync(file)) return readJson(file, markSchema, "the mark of a sweep").mark;
  const mark = randomUUID();
  makeFolders(folder);
  await writeJson(file, { mark });
  return mark;
}

/** The queue of a sweep's runs. */
export interface RunQueue extends AsyncDisposable {
  readonly elsewhere: Elsewhere;
}

/**
 * Distributes a sweep's runs in `out` through Redis. Workers train in the sweep's folder, which they must share.
 * @throws UserError if Redis does not answer
 */
export async function openRunQueue(
  url: string,
  { out, version, notice, signal }: { out: string; version: string; notice: Notice; signal?: AbortSignal | undefined },
): Promise<RunQueue> {
  const queue = await JobQueue.open(url, notice);
  const folder = path.resolve(out);
  const sweep = { folder, mark: await markOf(folder) };
  const jobOf = (part: RunPart): RunJob => ({
    ...{ version, directory: process.cwd(), sweep },
    part: { ...part, out: path.resolve(part.out) },
  });
  return {
    async elsewhere(parts) {
      const ids = parts.map((part) => jobId(jobOf(part)));
      const faults = new Map<string, string | undefined>();
      const jobs = new Map(parts.map((part, i) => [ids[i]!, jobOf(part)]));
      for await (const [id, value] of queue.results("training", jobs, signal)) {
        faults.set(id, result.parse(value).fault);
        notice(`${faults.size} of ${jobs.size}: ${path.basename(jobs.get(id)!.part.out)} is back`);
      }
      return ids.map((id) => faults.get(id));
    },
    [Symbol.asyncDispose]: () => queue[Symbol.asyncDispose](),
  };
}

export interface Training {
  readonly version: string;
  readonly notice: Notice;
  /** Stops the run, which stores its state. */
  readonly signal: AbortSignal;
  readonly fetching: Pick<ResolveOptions, "onProgress">;
}

/** Trains a part of a run. @throws Unfit if this worker does not see the sweep's folder */
export async function runPart(
  { version, directory, sweep, part }: RunJob,
  { version: own, notice, signal, fetching }: Training,
): Promise<{ fault?: string }> {
  if (version !== own) throw new Unfit(new UserError(`the sweep needs Modicum ${version}, and this worker has ${own}`));
  if (!existsSync(markFile(sweep.folder)) || (await markOf(sweep.folder)) !== sweep.mark)
    throw new Unfit(
      new UserError(`${sweep.folder} is not the sweep's folder here; expected a folder that all workers share`),
    );
  process.chdir(directory);
  const resolving = { ...fetching, onNotice: notice, signal };
  notice(`trains ${part.out}${part.until === undefined ? "" : ` up to step ${part.until}`}`);
  const fault = await advanceRun(
    { ...part, options: trainOptions.parse(part.options) },
    {
      ...{ openBase: (model) => openBase(model, resolving), labTasks: labTasks(resolving), signal },
      events: { onNotice: notice },
    },
  );
  return fault === undefined ? {} : { fault };
}
