import { type Job as QueueJob, Worker } from "bullmq";
import { parseRecipe } from "../../savings/recipe.ts";
import { UserError } from "../../util/errors.ts";
import { modelHash, type ResolvedModel, type ResolveOptions, resolveModel } from "../../weights/sources/index.ts";
import { type Answerer, type Answering, openAnswering } from "../answer/index.ts";
import { stringify } from "../reals.ts";
import { answerGroup } from "../run/executor.ts";
import { requireFiles } from "../run/recipe-files.ts";
import { connect, leave, type Notice, QUEUE } from "./connection.ts";
import { addFile, type IndexJob } from "./index-job.ts";
import { type Job, type JobAnswers, unpacked } from "./job.ts";
import type { JobKind } from "./job-queue.ts";
import { LossBench, type LossJob, requireQuant } from "./loss-job.ts";
import { giveBack, putBack, Unfit } from "./refusal.ts";
import { type RunJob, runPart } from "./run-job.ts";

/** Milliseconds of silence after which a worker counts as dead and another worker receives its job. */
const SILENCE = 10_000;

export interface Working {
  /** Modicum's version; jobs of other versions are refused. */
  readonly version: string;
  readonly notice: Notice;
  /** Stops the work; items in progress are finished first, and a training run stores its state. */
  readonly signal: AbortSignal;
  readonly fetching?: Pick<ResolveOptions, "onProgress">;
}

type AnyData = Job | LossJob | RunJob | IndexJob;
type AnyJob = QueueJob<AnyData, string, JobKind>;

/**
 * Runs the queue's jobs until it is stopped or meets a job that it cannot run.
 * @throws UserError with the reason, or if Redis does not answer
 */
export async function work(url: string, { version, notice, signal, fetching = {} }: Working): Promise<void> {
  const redis = await connect(url, notice);
  using bench = new Workbench(version, notice, fetching);
  using losses = new LossBench({ version, notice, signal, fetching });
  const unfit = new AbortController();
  const does = async ({ name, data }: AnyJob): Promise<string> => {
    switch (name) {
      case "items":
        losses.free();
        return stringify(await bench.answer(data as Job));
      case "losses":
        bench.free();
        return JSON.stringify(await losses.answer(data as LossJob));
      case "training":
        return JSON.stringify(await runPart(data as RunJob, { version, notice, signal, fetching }));
      case "indexing":
        return JSON.stringify(await addFile(data as IndexJob, { version, notice, signal, fetching }));
    }
  };
  const worker = new Worker<AnyData, string, JobKind>(
    QUEUE,
    (job, token) =>
      does(job).catch((error: unknown) => {
        if (signal.aborted) return putBack(job, token);
        if (!(error instanceof Unfit)) throw error;
        // The worker takes no other job.
        void worker.pause(true);
        unfit.abort(error.cause);
        return giveBack(job, token, error);
      }),
    {
      connection: redis,
      lockDuration: SILENCE,
      stalledInterval: SILENCE / 2,
      // A worker's death does not make its job invalid.
      maxStalledCount: Number.MAX_SAFE_INTEGER,
    },
  );
  worker.on("error", () => {});
  worker.on("failed", (_, error) => notice(error.message));
  notice("joined the queue");
  await stopped(AbortSignal.any([signal, unfit.signal]));
  await worker.close();
  leave(redis);
  notice(`left the queue; ${bench.answered + losses.answered} items answered`);
  unfit.signal.throwIfAborted();
}

const stopped = (signal: AbortSignal): Promise<void> =>
  new Promise((resolve) => {
    if (signal.aborted) resolve();
    signal.addEventListener("abort", () => resolve());
  });

/** The last job's model stays loaded, with the job's recipe: the next job usually needs both. */
class Workbench implements Disposable {
  answered = 0;
  #loaded: { readonly key: string; readonly model: Answering } | undefined;
  #ready: { readonly key: string; readonly answerer: Answerer } | undefined;
  #documents: Job["documents"];

  constructor(
    private readonly version: string,
    private readonly notice: Notice,
    private readonly fetching: Pick<ResolveOptions, "onProgress">,
  ) {}

  /** @throws Unfit if this worker lacks a requirement of the job */
  async answer(job: Job): Promise<JobAnswers> {
    const answerer = await this.#answerer(job).catch((error: unknown) => {
      throw new Unfit(error);
    });
    const items = unpacked(this.#withKnownDocuments(job));
    const long = items.find((item) => answerer.plan(item) === undefined);
    if (long) throw new UserError(`item ${long.id} does not fit in the context of ${job.model}`);
    const answers: JobAnswers = [];
    for (const group of job.together ? [items] : items.map((item) => [item]))
      for (const { item: _, ...done } of await answerGroup(answerer, group)) answers.push(done);
    this.answered += items.length;
    return answers;
  }

  /** Reuses the last job's corpus, with its embeddings, if this job's corpus is equal. */
  #withKnownDocuments(job: Job): Job {
    if (job.documents === undefined) return job;
    if (JSON.stringify(job.documents) !== JSON.stringify(this.#documents)) this.#documents = job.documents;
    return { ...job, documents: this.#documents! };
  }

  async #answerer(job: Job): Promise<Answerer> {
    const { model, recipe, files } = job;
    const key = JSON.stringify([...settingOf(job), recipe, files]);
    if (this.#ready?.key === key) return this.#ready.answerer;
    this.#endRecipe();
    if (job.version !== this.version)
      throw new UserError(`the run needs Modicum ${job.version}, and this worker has ${this.version}`);
    const steps = parseRecipe(recipe);
    const loaded = await this.#model(job);
    await requireFiles(steps, files);
    this.notice(`${model}: ${recipe.join(" ") || "dense"}`);
    const answerer = await loaded.under(steps);
    this.#ready = { key, answerer };
    return answerer;
  }

  async #model(job: Job): Promise<Answering> {
    const key = JSON.stringify(settingOf(job));
    if (this.#loaded?.key === key) return this.#loaded.model;
    this.free();
    const source = await this.#sameModel(job);
    const model = await openAnswering({ source, quant: job.quant, truncate: job.truncate ?? undefined });
    this.#loaded = { key, model };
    try {
      requireQuant(source, job.quant);
    } catch (error) {
      this.free();
      throw error;
    }
    return model;
  }

  async #sameModel({ model, modelHash: expected }: Job): Promise<ResolvedModel> {
    const source = await resolveModel(model, { ...this.fetching, onNotice: this.notice });
    const hash = await modelHash(source);
    if (hash === expected) return source;
    throw new UserError(`${model} is ${hash.slice(0, 12)}… here, and ${expected.slice(0, 12)}… in the run`);
  }

  #endRecipe(): void {
    this.#ready?.answerer[Symbol.dispose]();
    this.#ready = undefined;
  }

  /** Frees the model until the next job. */
  free(): void {
    this.#endRecipe();
    this.#loaded?.model[Symbol.dispose]();
    this.#loaded = undefined;
  }

  [Symbol.dispose](): void {
    this.free();
  }
}

/** The options for loading a job's model. */
const settingOf = ({ model, modelHash, quant, truncate }: Job) => [model, modelHash, quant, truncate];
