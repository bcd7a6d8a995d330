import path from "node:path";
import { absoluteText } from "../../savings/files.ts";
import { adapterHash } from "../../weights/adapter/record.ts";
import { fileHashes } from "../run/recipe-files.ts";
import { recipeOf } from "../tune/candidates.ts";
import type { ServedItem } from "../tune/items.ts";
import { answerHash, type Losses, type ServedAnswer, type Upcoming } from "../tune/served.ts";
import type { Setup } from "../tune/setup.ts";
import { later, type Notice } from "./connection.ts";
import { jobId } from "./job.ts";
import { JobQueue, type Round } from "./job-queue.ts";
import { type LossAnswers, type LossJob, type LossSetting, lossAnswers } from "./loss-job.ts";

/** The number of items distributed per worker: one in progress, the others waiting. */
const AHEAD = 4;
/** Milliseconds between checks of whether a worker has the awaited item. */
const LOOK = 1000;

/** The parts of a tuning run that its jobs depend on. */
interface Tuning {
  readonly setting: LossSetting;
  /** True if answers are compared by the likelihood that dense assigns to their tokens. */
  readonly scored: boolean;
}

/**
 * Supplies a tuning run with answers from a queue's workers or, failing that, from this process: even if the queue
 * fails, every answer comes from the model.
 */
export class LossQueue implements Losses, AsyncDisposable {
  readonly #round: Round;
  /** Keyed by item. */
  readonly #handed = new Map<string, QueuedItem>();
  /** Jobs without a result, by id. */
  readonly #jobs = new Map<string, QueuedItem>();
  #turn: Promise<void> = Promise.resolve();
  /** The number of live workers at the last check. */
  #workers = 1;
  #failed = false;

  private constructor(
    private readonly queue: JobQueue,
    private readonly local: Losses,
    private readonly tuning: Tuning,
    private readonly notice: Notice,
    private readonly signal: AbortSignal | undefined,
  ) {
    this.#round = queue.round("losses", signal);
    void this.#collect();
  }

  /** @throws UserError if Redis does not answer */
  static async open(
    url: string,
    setup: Setup,
    local: Losses,
    notice: Notice,
    signal: AbortSignal | undefined,
  ): Promise<LossQueue> {
    const tuning = { setting: settingOf(setup), scored: setup.loss === "nats" };
    return new LossQueue(await JobQueue.open(url, notice), local, tuning, notice, signal);
  }

  /** Distributes the first items, as many as the workers need, and takes back all other items. */
  announce(upcoming: Iterable<Upcoming>): void {
    if (this.#failed) return;
    const next = firstOf(upcoming, AHEAD * Math.max(1, this.#workers));
    const fresh = next
      .filter((each) => !this.#handed.get(each.item.id)?.covers(each))
      .map((each) => new QueuedItem(each));
    for (const handed of fresh) this.#handed.set(handed.id, handed);
    const ids = new Set(next.map(({ item }) => item.id));
    this.#turn = this.#turn
      .then(() => this.#withdraw(ids))
      .then(() => this.#handOut(fresh))
      .catch((error: unknown) => this.#fail(error));
  }

  async answer(recipe: string, item: ServedItem, scored?: boolean): Promise<ServedAnswer> {
    const handed = this.#handed.get(item.id);
    const answers = handed && (await this.#answersTo(handed));
    const at = handed?.upcoming.recipes.indexOf(recipe) ?? -1;
    return answers?.[at]?.served ?? (await this.local.answer(recipe, item, scored));
  }

  async excess(item: ServedItem, answers: readonly ServedAnswer[]): Promise<number[]> {
    const handed = this.#handed.get(item.id);
    const scores = new Map<string, number>();
    for (const each of (handed && (await this.#answersTo(handed))) ?? [])
      if (each?.excess !== undefined) scores.set(answerHash(each.served), each.excess);
    const known = answers.flatMap((served) => scores.get(answerHash(served)) ?? []);
    return known.length === answers.length ? known : this.local.excess(item, answers);
  }

  /** The workers' answers to an item; undefined if no worker has it. */
  async #answersTo(handed: QueuedItem): Promise<LossAnswers | undefined> {
    // If no worker was connected recently, this checks at once.
    for (let wait = this.#workers > 0 ? LOOK : 0; ; wait = LOOK) {
      const answers = await Promise.race([handed.answers, later(wait).then(() => "none yet" as const)]);
      if (answers !== "none yet") return answers;
      this.signal?.throwIfAborted();
      // The item is answered here, even if a worker joins now.
      if (!(await this.#isTaken(handed))) handed.settle(undefined);
    }
  }

  /** True if a worker has the item's job; otherwise the job is taken back. */
  async #isTaken({ job }: QueuedItem): Promise<boolean> {
    this.#workers = await this.queue.workers();
    return this.#workers > 0 && job !== undefined && !(await this.#round.withdraw(job));
  }

  async #handOut(fresh: readonly QueuedItem[]): Promise<void> {
    const jobs = new Map<string, LossJob>();
    for (const handed of fresh.filter(({ settled }) => !settled)) {
      const job = await jobOf(handed.upcoming, this.tuning);
      jobs.set(jobId(job), job);
      this.#jobs.set(jobId(job), handed);
    }
    if (jobs.size === 0) return;
    await this.#round.add(jobs);
    for (const job of jobs.keys()) {
      const handed = this.#jobs.get(job);
      if (handed) handed.job = job;
    }
    this.#workers = await this.queue.workers();
  }

  /** Takes back the jobs of all items except `but`, unless a worker has them. */
  async #withdraw(but: ReadonlySet<string>): Promise<void> {
    const off = [...this.#jobs].filter(([, { id }]) => !but.has(id));
    for (const [job, handed] of off) {
      this.#jobs.delete(job);
      handed.settle(undefined);
      if (this.#handed.get(handed.id) === handed) this.#handed.delete(handed.id);
    }
    await Promise.all(off.map(([job]) => this.#round.withdraw(job)));
  }

  async #collect(): Promise<void> {
    try {
      for (;;) {
        const [job, value] = await this.#round.next();
        const handed = this.#jobs.get(job);
        this.#jobs.delete(job);
        handed?.settle(this.#checked(handed, value));
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #checked({ upcoming: { recipes, item } }: QueuedItem, value: unknown): LossAnswers | undefined {
    const parsed = lossAnswers.safeParse(value);
    if (parsed.success && parsed.data.length === recipes.length) return parsed.data;
    this.notice(`a worker returned a malformed answer for item ${item.id.slice(0, 12)}; it is answered here`);
    return undefined;
  }

  /** From now on, this process answers everything. */
  #fail(error: unknown): void {
    if (this.#failed) return;
    this.#failed = true;
    for (const handed of this.#handed.values()) handed.settle(undefined);
    if (this.signal?.aborted) return;
    this.notice(`${error instanceof Error ? error.message : String(error)}; this process continues without the queue`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#failed = true;
    await this.#round[Symbol.asyncDispose]();
    await this.queue[Symbol.asyncDispose]();
  }
}

/** A distributed item. */
class QueuedItem {
  /** Resolves to undefined if no worker answers. */
  readonly answers: Promise<LossAnswers | undefined>;
  settled = false;
  /** The id of the item's job, once the job is in the queue. */
  job: string | undefined;
  #resolve!: (answers: LossAnswers | undefined) => void;

  constructor(readonly upcoming: Upcoming) {
    this.answers = new Promise((resolve) => {
      this.#resolve = resolve;
    });
  }

  get id(): string {
    return this.upcoming.item.id;
  }

  covers({ recipes }: Upcoming): boolean {
    return recipes.every((recipe) => this.upcoming.recipes.includes(recipe));
  }

  settle(answers: LossAnswers | undefined): void {
    this.settled = true;
    this.#resolve(answers);
  }
}

function firstOf<T>(all: Iterable<T>, count: number): T[] {
  const first: T[] = [];
  for (const each of all) {
    if (first.length === count) break;
    first.push(each);
  }
  return first;
}

function settingOf({ request, identity }: Setup): LossSetting {
  const { model, options, adapter, version } = request;
  const { source, form } = model.language;
  return {
    version,
    ...{ model: source.source === "file" ? source.path : source.name, modelHash: identity.model_hash },
    form: form.quant ?? "auto",
    ...(form.codes !== undefined && { codes: form.codes }),
    ...(adapter !== undefined && { adapter: { folder: path.resolve(adapter), hash: adapterHash(adapter) } }),
    ...(options.temperature !== undefined && { temperature: options.temperature }),
    sampling: identity.sampling,
  };
}

async function jobOf({ item, recipes, known }: Upcoming, { setting, scored }: Tuning): Promise<LossJob> {
  const { id, group, tokens, prompt, stop, maxTokens } = item;
  const steps = recipes.map(recipeOf);
  return {
    ...{ setting, item: { id, group, tokens, prompt, stop, maxTokens } },
    recipes: steps.map((recipe) => recipe.map(absoluteText).join(" ") || "dense"),
    files: await fileHashes(steps.flat()),
    ...{ scored, ...(known !== undefined && { known }) },
  };
}
