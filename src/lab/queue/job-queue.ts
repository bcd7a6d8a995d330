import { Queue, QueueEvents } from "bullmq";
import type { Redis } from "ioredis";
import { UserError } from "../../util/errors.ts";
import { Arrivals } from "./arrivals.ts";
import { connect, later, leave, type Notice, QUEUE } from "./connection.ts";
import { refusalOf } from "./refusal.ts";
import { onceThereIsRoom } from "./room.ts";

/** The interval, in milliseconds, of checks for missed results and for live workers. */
const LOOK = 15_000;
/** The number of workers that may refuse jobs in a row before the jobs themselves are considered wrong. */
const ENOUGH = 3;
/** Milliseconds within which a worker that refuses a job has left. */
const LEAVING = 2000;
/** Seconds for which Redis keeps results, so that a killed run can resume. */
const KEEP = 3600;

/** The kinds of jobs: a worker takes any of them. */
export type JobKind = "items" | "training";

/** Hands out jobs through Redis, any of which a `lab worker` may take, and waits for their results. */
export class JobQueue {
  private constructor(
    private readonly redis: Redis,
    private readonly queue: Queue,
    private readonly events: QueueEvents,
    private readonly notice: Notice,
  ) {}

  /** @throws UserError if Redis does not answer */
  static async open(url: string, notice: Notice): Promise<JobQueue> {
    const redis = await connect(url, notice);
    const [queue, events] = [new Queue(QUEUE, { connection: redis }), new QueueEvents(QUEUE, { connection: redis })];
    queue.on("error", () => {});
    events.on("error", () => {});
    await events.waitUntilReady();
    return new JobQueue(redis, queue, events, notice);
  }

  /**
   * The results of jobs, as they come, by the jobs' ids. A job that an earlier call enqueued is not enqueued again.
   * @throws UserError if a worker fails, or several refuse the jobs and no other is there
   */
  async *results(
    kind: JobKind,
    jobs: ReadonlyMap<string, object>,
    signal?: AbortSignal,
  ): AsyncGenerator<[id: string, value: unknown]> {
    const pending = new Map(jobs);
    const arrivals = new Arrivals<[id: string, value: unknown]>();
    const handOut = () => this.#handOut(kind, pending, arrivals);
    const stop = this.#listen(pending, arrivals, handOut, signal);
    try {
      await onceThereIsRoom(handOut, this.notice, signal);
      while (pending.size > 0) {
        const [id, value] = await arrivals.next();
        if (pending.delete(id)) yield [id, typeof value === "string" ? JSON.parse(value) : value];
      }
    } finally {
      stop();
      // Jobs that a worker has taken are not removed: nobody waits for them.
      for (const id of pending.keys()) await Promise.race([this.queue.remove(id).catch(() => 0), soon()]);
    }
  }

  /** Enqueues every pending job that is not in the queue yet, and takes existing results. */
  async #handOut(
    kind: JobKind,
    pending: ReadonlyMap<string, object>,
    arrivals: Arrivals<[string, unknown]>,
  ): Promise<void> {
    const options = { removeOnComplete: { age: KEEP }, removeOnFail: true };
    const all = [...pending];
    await this.queue.addBulk(all.map(([id, data]) => ({ name: kind, data, opts: { ...options, jobId: id } })));
    for (const [id] of all) {
      const job = await this.queue.getJob(id);
      if (job?.finishedOn !== undefined && job.failedReason === undefined) arrivals.push([id, job.returnvalue]);
    }
  }

  /** @returns a function that stops listening */
  #listen(
    pending: ReadonlyMap<string, object>,
    arrivals: Arrivals<[string, unknown]>,
    handOut: () => Promise<void>,
    signal: AbortSignal | undefined,
  ): () => void {
    let refusals = 0;
    const completed = ({ jobId, returnvalue }: { jobId: string; returnvalue: unknown }) => {
      refusals = 0;
      arrivals.push([jobId, returnvalue]);
    };
    const failed = ({ jobId, failedReason }: { jobId: string; failedReason: string }) => {
      if (pending.has(jobId)) arrivals.fail(new UserError(`a worker failed: ${failedReason}`));
    };
    const progress = ({ jobId, data }: { jobId: string; data: unknown }) => {
      if (!pending.has(jobId)) return;
      refusals++;
      this.notice(`a worker leaves: ${refusalOf(data)}`);
      if (refusals >= ENOUGH) void later(LEAVING).then(() => this.#look(again, abandoned));
    };
    const abandoned = () => {
      if (refusals >= ENOUGH)
        arrivals.fail(new UserError(`${refusals} workers have refused the jobs and left, and no other is there`));
    };
    // A Redis that comes back may have lost its jobs.
    const again = () => void handOut().catch(() => {});
    const abort = () => arrivals.fail(signal?.reason);
    const looking = setInterval(() => void this.#look(again, abandoned), LOOK);
    this.events.on("completed", completed).on("failed", failed).on("progress", progress);
    this.redis.on("ready", again);
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) abort();
    return () => {
      clearInterval(looking);
      this.events.off("completed", completed).off("failed", failed).off("progress", progress);
      this.redis.off("ready", again);
      signal?.removeEventListener("abort", abort);
    };
  }

  async #look(again: () => void, abandoned: () => void): Promise<void> {
    if (this.redis.status !== "ready") return;
    if ((await this.queue.getWorkersCount().catch(() => 1)) === 0) {
      this.notice("no worker has joined the queue; `modicum lab worker --queue …` starts one");
      abandoned();
    }
    again();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    leave(this.redis);
    await Promise.race([Promise.allSettled([this.queue.close(), this.events.close()]), soon()]);
  }
}

/** Long enough for a running Redis. */
const soon = () => later(2000);
