import { Queue, QueueEvents } from "bullmq";
import type { Redis } from "ioredis";
import { absoluteText } from "../../savings/files.ts";
import { parseRecipe, type Recipe } from "../../savings/recipe.ts";
import { UserError } from "../../util/errors.ts";
import type { Setting } from "../answer/index.ts";
import type { Item } from "../item.ts";
import { withReals } from "../reals.ts";
import type { Done, Executor } from "../run/executor.ts";
import { fileHashes } from "../run/recipe-files.ts";
import { Arrivals } from "./arrivals.ts";
import { connect, later, leave, type Notice, QUEUE } from "./connection.ts";
import { answersSchema, type Job, type JobAnswers, jobId, jobsOf } from "./job.ts";
import { refusalOf } from "./refusal.ts";
import { onceThereIsRoom } from "./room.ts";

/** The interval, in milliseconds, of checks for missed answers and for live workers. */
const LOOK = 15_000;
/** The number of workers that may refuse a run's items in a row before the run itself is considered wrong. */
const ENOUGH = 3;
/** Seconds for which Redis keeps answers, so that a killed run can resume. */
const KEEP = 3600;

interface Pending {
  readonly job: Job;
  readonly items: readonly Item[];
}

/** Answers items through Redis: any `lab worker` may take them. */
export class QueueExecutor implements Executor {
  private constructor(
    private readonly redis: Redis,
    private readonly queue: Queue,
    private readonly events: QueueEvents,
    private readonly setting: Setting,
    private readonly run: Pick<Job, "modelHash" | "version">,
    private readonly notice: Notice,
  ) {}

  /** @throws UserError if Redis does not answer */
  static async open(
    url: string,
    setting: Setting,
    run: Pick<Job, "modelHash" | "version">,
    notice: Notice,
  ): Promise<QueueExecutor> {
    const redis = await connect(url, notice);
    const [queue, events] = [new Queue(QUEUE, { connection: redis }), new QueueEvents(QUEUE, { connection: redis })];
    queue.on("error", () => {});
    events.on("error", () => {});
    await events.waitUntilReady();
    return new QueueExecutor(redis, queue, events, setting, run, notice);
  }

  async *answer(recipe: Recipe, groups: readonly (readonly Item[])[], signal?: AbortSignal): AsyncGenerator<Done> {
    const pending = await this.#jobs(recipe, groups);
    const arrivals = new Arrivals<[id: string, value: unknown]>();
    const stop = this.#listen(pending, arrivals, signal);
    try {
      await onceThereIsRoom(() => this.#handOut(pending, arrivals), this.notice, signal);
      while (pending.size > 0) {
        const [id, value] = await arrivals.next();
        const held = pending.get(id);
        pending.delete(id);
        if (held) yield* answered(held, value);
      }
    } finally {
      stop();
      // Jobs that a worker has taken are not removed: nobody waits for them.
      for (const id of pending.keys()) await Promise.race([this.queue.remove(id).catch(() => 0), soon()]);
    }
  }

  async #jobs(recipe: Recipe, groups: readonly (readonly Item[])[]): Promise<Map<string, Pending>> {
    const { source, quant, truncate } = this.setting;
    const model = source.source === "file" ? source.path : source.name;
    const steps = recipe.map(absoluteText);
    const setting = {
      ...{ ...this.run, model, quant, truncate: truncate ?? null },
      ...{ recipe: steps, files: await fileHashes(parseRecipe(steps)) },
    };
    const jobs = jobsOf(groups, setting);
    const byId = new Map(groups.flat().map((item) => [item.id, item]));
    return new Map(jobs.map((job) => [jobId(job), { job, items: job.items.map(({ id }) => byId.get(id)!) }]));
  }

  /** Enqueues every pending job that is not in the queue yet, and takes existing answers. */
  async #handOut(pending: ReadonlyMap<string, Pending>, arrivals: Arrivals<[string, unknown]>): Promise<void> {
    const options = { removeOnComplete: { age: KEEP }, removeOnFail: true };
    const all = [...pending];
    await this.queue.addBulk(
      all.map(([id, { job }]) => ({ name: "items", data: job, opts: { ...options, jobId: id } })),
    );
    for (const [id] of all) {
      const job = await this.queue.getJob(id);
      if (job?.finishedOn !== undefined && job.failedReason === undefined) arrivals.push([id, job.returnvalue]);
    }
  }

  /** @returns a function that stops listening */
  #listen(
    pending: ReadonlyMap<string, Pending>,
    arrivals: Arrivals<[string, unknown]>,
    signal: AbortSignal | undefined,
  ): () => void {
    let refusals = 0;
    const completed = ({ jobId, returnvalue }: { jobId: string; returnvalue: unknown }) => {
      refusals = 0;
      arrivals.push([jobId, returnvalue]);
    };
    const failed = ({ jobId, failedReason }: { jobId: string; failedReason: string }) => {
      if (pending.has(jobId)) arrivals.fail(new UserError(`a worker could not answer: ${failedReason}`));
    };
    const progress = ({ jobId, data }: { jobId: string; data: unknown }) => {
      if (!pending.has(jobId)) return;
      refusals++;
      this.notice(`a worker leaves: ${refusalOf(data)}`);
    };
    const abandoned = () => {
      if (refusals >= ENOUGH)
        arrivals.fail(
          new UserError(`${refusals} workers have refused the run's items and left, and no other is there`),
        );
    };
    // A Redis that comes back may have lost its jobs.
    const again = () => void this.#handOut(pending, arrivals).catch(() => {});
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

function* answered({ items }: Pending, value: unknown): Generator<Done> {
  const parsed = answersSchema.safeParse(typeof value === "string" ? JSON.parse(value) : value);
  if (!parsed.success || parsed.data.length !== items.length)
    throw new UserError("a worker gave an answer of another form; are all of one version?");
  const answers = parsed.data as unknown as JobAnswers;
  for (const [i, item] of items.entries()) yield { item, ...answers[i]!, answer: withReals(answers[i]!.answer) };
}
