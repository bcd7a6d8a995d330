import { Queue, QueueEvents } from "bullmq";
import type { Redis } from "ioredis";
import { UserError } from "../../util/errors.ts";
import { Arrivals } from "./arrivals.ts";
import { connect, later, leave, type Notice, QUEUE } from "./connection.ts";
import { refusalOf } from "./refusal.ts";
import { onceThereIsRoom } from "./room.ts";

/** Milliseconds between checks for missed results and live workers. */
const LOOK = 15_000;
/** The number of consecutive refusals by workers after which the jobs themselves count as invalid. */
const ENOUGH = 3;
/** Milliseconds within which a worker that refused a job disconnects. */
const LEAVING = 2000;
/** Seconds for which Redis keeps results, for resuming a killed run. */
const KEEP = 3600;

/** The kinds of jobs: a worker takes any of them. */
export type JobKind = "items" | "training" | "losses" | "indexing";

/** Distributes jobs through Redis to any `lab worker`, and waits for their results. */
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
   * The results of jobs as they arrive, by job id. A job from an earlier call is not enqueued again.
   * @throws UserError if a worker fails, or several refuse the jobs and no other is connected
   */
  async *results(
    kind: JobKind,
    jobs: ReadonlyMap<string, object>,
    signal?: AbortSignal,
  ): AsyncGenerator<[id: string, value: unknown]> {
    await using round = this.round(kind, signal);
    await round.add(jobs);
    for (let remaining = jobs.size; remaining > 0; remaining--) yield await round.next();
  }

  /** Jobs of one kind that are distributed gradually. */
  round(kind: JobKind, signal?: AbortSignal): Round {
    const { redis, queue, events, notice } = this;
    return new Round(kind, { redis, queue, events, notice, signal });
  }

  /** The number of live workers; also 0 while Redis does not answer. */
  async workers(): Promise<number> {
    if (this.redis.status !== "ready") return 0;
    return await Promise.race([this.queue.getWorkersCount().catch(() => 1), soon().then(() => 0)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    leave(this.redis);
    await Promise.race([Promise.allSettled([this.queue.close(), this.events.close()]), soon()]);
  }
}

interface Around {
  readonly redis: Redis;
  readonly queue: Queue;
  readonly events: QueueEvents;
  readonly notice: Notice;
  readonly signal: AbortSignal | undefined;
}

/** Distributed jobs, and their results as they arrive. */
export class Round implements AsyncDisposable {
  readonly #pending = new Map<string, object>();
  readonly #arrivals = new Arrivals<[id: string, value: unknown]>();
  readonly #stop: () => void;
  /** Workers that refused a job since the last result. */
  #refusals = 0;

  constructor(
    private readonly kind: JobKind,
    private readonly around: Around,
  ) {
    this.#stop = this.#listen(around);
  }

  /** Enqueues jobs by id. Waits while Redis is full. */
  async add(jobs: ReadonlyMap<string, object>): Promise<void> {
    for (const [id, job] of jobs) this.#pending.set(id, job);
    await onceThereIsRoom(() => this.#handOut(jobs), this.around.notice, this.around.signal);
  }

  /** Takes a job back; false if a worker has it, in which case its result may still arrive. */
  async withdraw(id: string): Promise<boolean> {
    return (await this.#remove(id)) > 0 && this.#pending.delete(id);
  }

  /**
   * The next result.
   * @throws UserError if a worker fails, or several refuse the jobs and no other is connected
   */
  async next(): Promise<[id: string, value: unknown]> {
    for (;;) {
      const [id, value] = await this.#arrivals.next();
      if (this.#pending.delete(id)) return [id, typeof value === "string" ? JSON.parse(value) : value];
    }
  }

  /** Enqueues missing jobs, and collects existing results. */
  async #handOut(jobs: ReadonlyMap<string, object>): Promise<void> {
    const { queue } = this.around;
    const options = { removeOnComplete: { age: KEEP }, removeOnFail: true };
    const all = [...jobs].filter(([id]) => this.#pending.has(id));
    await queue.addBulk(all.map(([id, data]) => ({ name: this.kind, data, opts: { ...options, jobId: id } })));
    for (const [id] of all) {
      const job = await queue.getJob(id);
      if (job?.finishedOn !== undefined && job.failedReason === undefined) this.#arrivals.push([id, job.returnvalue]);
    }
  }

  /** @returns a function that stops listening */
  #listen({ redis, events, notice, signal }: Around): () => void {
    const completed = ({ jobId, returnvalue }: { jobId: string; returnvalue: unknown }) => {
      this.#refusals = 0;
      this.#arrivals.push([jobId, returnvalue]);
    };
    const failed = ({ jobId, failedReason }: { jobId: string; failedReason: string }) => {
      if (this.#pending.has(jobId)) this.#arrivals.fail(new UserError(`a worker failed: ${failedReason}`));
    };
    const progress = ({ jobId, data }: { jobId: string; data: unknown }) => {
      if (!this.#pending.has(jobId)) return;
      this.#refusals++;
      notice(`a worker leaves: ${refusalOf(data)}`);
      if (this.#refusals >= ENOUGH) void later(LEAVING).then(() => this.#look());
    };
    // Redis may have lost its jobs while it was unreachable.
    const again = () => this.#again();
    const abort = () => this.#arrivals.fail(signal?.reason);
    const looking = setInterval(() => void this.#look(), LOOK);
    events.on("completed", completed).on("failed", failed).on("progress", progress);
    redis.on("ready", again);
    signal?.addEventListener("abort", abort);
    if (signal?.aborted) abort();
    return () => {
      clearInterval(looking);
      events.off("completed", completed).off("failed", failed).off("progress", progress);
      redis.off("ready", again);
      signal?.removeEventListener("abort", abort);
    };
  }

  #again(): void {
    void this.#handOut(new Map(this.#pending)).catch(() => {});
  }

  async #look(): Promise<void> {
    const { redis, queue, notice } = this.around;
    if (redis.status !== "ready" || this.#pending.size === 0) return;
    if ((await queue.getWorkersCount().catch(() => 1)) === 0) {
      notice("no worker has joined the queue; `modicum lab worker --queue …` starts one");
      if (this.#refusals >= ENOUGH)
        this.#arrivals.fail(
          new UserError(`${this.#refusals} workers have refused the jobs and left, and no other worker is connected`),
        );
    }
    this.#again();
  }

  /** @returns 0 if a worker has the job, or Redis does not answer */
  async #remove(id: string): Promise<number> {
    return await Promise.race([this.around.queue.remove(id).catch(() => 0), soon().then(() => 0)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#stop();
    // Jobs that a worker has begun are not removed; their results are ignored.
    await Promise.all([...this.#pending.keys()].map((id) => this.#remove(id)));
  }
}

/** A running Redis answers within this time. */
const soon = () => later(2000);
