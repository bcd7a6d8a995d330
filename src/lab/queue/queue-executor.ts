import { absoluteText } from "../../savings/files.ts";
import { parseRecipe, type Recipe } from "../../savings/recipe.ts";
import { UserError } from "../../util/errors.ts";
import type { Setting } from "../answer/index.ts";
import type { Item } from "../item.ts";
import { withReals } from "../reals.ts";
import type { Executor, ItemRun } from "../run/executor.ts";
import { fileHashes } from "../run/recipe-files.ts";
import type { Notice } from "./connection.ts";
import { answersSchema, type Job, type JobAnswers, jobId, jobsOf } from "./job.ts";
import { JobQueue } from "./job-queue.ts";

interface Pending {
  readonly job: Job;
  readonly items: readonly Item[];
}

/** Distributes items through Redis to any `lab worker`. */
export class QueueExecutor implements Executor {
  private constructor(
    private readonly queue: JobQueue,
    private readonly setting: Setting,
    private readonly run: Pick<Job, "modelHash" | "version">,
  ) {}

  /** @throws UserError if Redis does not answer */
  static async open(
    url: string,
    setting: Setting,
    run: Pick<Job, "modelHash" | "version">,
    notice: Notice,
  ): Promise<QueueExecutor> {
    return new QueueExecutor(await JobQueue.open(url, notice), setting, run);
  }

  async *answer(recipe: Recipe, groups: readonly (readonly Item[])[], signal?: AbortSignal): AsyncGenerator<ItemRun> {
    const pending = await this.#jobs(recipe, groups);
    const jobs = new Map([...pending].map(([id, { job }]) => [id, job]));
    for await (const [id, value] of this.queue.results("items", jobs, signal)) yield* answered(pending.get(id)!, value);
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

  [Symbol.asyncDispose](): Promise<void> {
    return this.queue[Symbol.asyncDispose]();
  }
}

function* answered({ items }: Pending, value: unknown): Generator<ItemRun> {
  const parsed = answersSchema.safeParse(value);
  if (!parsed.success || parsed.data.length !== items.length)
    throw new UserError("a worker returned a malformed answer; do all workers run the same Modicum version?");
  const answers = parsed.data as unknown as JobAnswers;
  for (const [i, item] of items.entries()) yield { item, ...answers[i]!, answer: withReals(answers[i]!.answer) };
}
