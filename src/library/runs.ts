import { checkCeiling, priceOfAsked } from "../engine/bill/price.ts";
import { Stopwatch } from "../engine/bill/stopwatch.ts";
import { generateAll } from "../engine/decode/answer/batch-generate.ts";
import { generate, type Piece, type Usage } from "../engine/decode/answer/generate.ts";
import type { Lease } from "../engine/decode/run/recipes.ts";
import type { Continuations } from "../engine/decode/score/likelihood.ts";
import { scoreContinuations } from "../engine/decode/score/score.ts";
import type { Answers, ReadTerms } from "../engine/encoders/text/encoder-model.ts";
import { damageBehind } from "../engine/file/damage.ts";
import { NotFinite } from "../engine/not-finite.ts";
import type { Turns } from "../engine/schedule/fair-queue.ts";
import { Scheduler, type SchedulerOptions } from "../engine/schedule/scheduler.ts";
import type { Job, Request } from "../engine/schedule/ticket.ts";
import type { Receipt } from "../ledger/receipt.ts";
import type { Plan } from "../savings/plan.ts";
import type { Recipe } from "../savings/recipe.ts";
import { UserError } from "../util/errors.ts";
import type { ResolvedModel } from "../weights/sources/index.ts";
import type { AnswerTerms, GenerationTerms as Options, ReadTerms as Terms } from "./arguments.ts";
import { AnswerAudit, type Auditor } from "./auditor.ts";
import { Biller, type RanUnder } from "./biller.ts";
import type { Model } from "./model.ts";
import type { BatchRequest, Chunk, Completion, Stoppable } from "./options.ts";
import { requestOf } from "./request.ts";
import { calledIn } from "./tool-calls.ts";

/** A request among many, its options read. */
type OneOfMany = Options & Pick<BatchRequest, "prompt"> & { readonly save?: Recipe | undefined };

const ranUnder = ({ recipe }: Lease, plan: Plan | undefined): RanUnder => ({ recipe, choice: plan?.choice });

/** A caller who may stop a run, and then has its receipt. */
interface Stops {
  readonly signal?: AbortSignal | undefined;
  readonly onStopped?: Stoppable["onStopped"] | undefined;
}

/**
 * The runs of one model: each under its recipe, with its receipt, alone or in its turn. What fails is told with the
 * damage behind it.
 */
export class Runs {
  readonly #biller: Biller;
  #scheduler: Scheduler | undefined;
  #auditor: Auditor | undefined;
  #unsound = false;

  constructor(
    private readonly model: Pick<Model, "loaded" | "generative" | "language" | "recipe" | "checkForm" | "adapterHash">,
    private readonly source: ResolvedModel,
    /** Milliseconds. */
    loadTime: number,
    adapter: string | undefined,
  ) {
    this.#biller = new Biller(source.name, loadTime, adapter);
  }

  /** True if one has computed numbers that are not finite. */
  get unsound(): boolean {
    return this.#unsound;
  }

  /** The same as `Model.schedule`. */
  schedule(options: SchedulerOptions): Turns | undefined {
    const { loaded } = this.model;
    switch (loaded.kind) {
      case "decoder":
        this.#scheduler = new Scheduler(loaded.engine, loaded.tokenizer, options);
        return this.#scheduler;
      case "encoder":
      case "encoder of images and texts":
        // The call that runs is in an encoder's queue, too.
        return Object.assign(loaded.queue, { limit: options.queue + 1 });
      case "image encoder":
      case "image generator":
      case "encoder with a decoder":
      case "diffusion language model":
        return undefined;
    }
  }

  /** From now on, a share of the answers under certificates is audited in the scheduler's pauses. */
  audit(auditor: Auditor): void {
    this.#auditor = auditor;
  }

  /**
   * The lease that a call runs under until disposed; undefined for models without seams.
   * @throws UserError if the recipe cannot act in the model
   */
  use(recipe: Recipe = this.model.recipe): Promise<Lease | undefined> {
    return this.model.loaded.use(recipe);
  }

  /** Streams the answer to a request. */
  async *answer(request: Request, terms: AnswerTerms): AsyncGenerator<Chunk, void> {
    const { key, deadline, onBegun, ceiling, signal, onStopped, save } = terms;
    using lease = await this.use(save);
    const plan = lease?.plan(request.prompt.length, request.visual, request.facts);
    if (request.facts?.budget && !plan?.choice)
      throw new UserError("a budget needs a certificate to choose by; name a recipe such as auto:NAME", 2);
    const recipe = { recipe: lease?.recipe ?? [], choice: plan?.choice };
    const told = { key, deadline, onBegun, ceiling, signal, onStopped: this.#biller.told(onStopped, recipe) };
    using audit = this.#drawn(request, plan, terms);
    try {
      for await (const { finish, ...piece } of this.#pieces({ ...request, ...told, plan })) {
        audit?.add(piece.tokens);
        if (finish && !finish.cut) audit?.end();
        yield finish
          ? { ...piece, finishReason: finish.reason, receipt: this.#biller.receipt(finish.usage, recipe, finish.cut) }
          : piece;
      }
    } catch (error) {
      throw await this.#explained(error);
    }
  }

  /** The audit of an answer that is about to be given, if it was drawn. */
  #drawn({ prompt, facts, engine }: Request, plan: Plan | undefined, { audit }: AnswerTerms): AnswerAudit | undefined {
    const { guarantee, audited } = plan?.choice ?? {};
    const certificate = guarantee?.certificate;
    const [auditor, scheduler] = [this.#auditor, this.#scheduler];
    if (certificate === undefined || audit === false || !auditor || !scheduler) return undefined;
    if (audited === undefined) return void auditor.passes(certificate);
    if (!auditor.draws(facts?.conversation?.() ?? "")) return undefined;
    return new AnswerAudit((answer) =>
      auditor.replay(
        { certificate, sha256: audited, model: this.source.name, prompt, answer },
        engine ?? this.model.language.engine,
        scheduler,
      ),
    );
  }

  #pieces(job: Job): AsyncIterable<Piece> {
    const { prompt, options, engine } = job;
    if (this.#scheduler) return this.#scheduler.submit(job);
    const model = this.model.generative;
    switch (model.kind) {
      case "decoder":
        return generate(engine ?? model.engine, model.tokenizer, prompt, options, job);
      case "encoder with a decoder":
      case "diffusion language model":
        return model.generate(prompt, options, job);
    }
  }

  /** Whole answers, decoded together, in the order of their requests. */
  async answerAll(all: readonly OneOfMany[], { signal, onStopped }: Stops): Promise<Completion[]> {
    const { engine, tokenizer, recipes } = this.model.language;
    const leases: Lease[] = [];
    try {
      const parsed: Request[] = [];
      const arrived = performance.now();
      for (const { prompt, save = this.model.recipe, ...asked } of all) {
        const time = new Stopwatch(arrived);
        const request = await requestOf(this.model, prompt, { ...asked, save }, time, signal);
        const lease = await recipes.use(save);
        leases.push(lease);
        parsed.push({ ...request, plan: lease.plan(request.prompt.length, request.visual, request.facts) });
        time.enter("queue");
      }
      const stopped = (usage: Usage, request: Request) =>
        this.#biller.told(onStopped, ranUnder(leases[parsed.indexOf(request)]!, request.plan))?.(usage);
      const answers = await this.sound(generateAll(engine, tokenizer, parsed, signal, stopped));
      const completions = answers.map(async ({ text, tokens, prompt, reason, usage }, i) => {
        const scored = prompt && { prompt: [...prompt] };
        const receipt = this.#biller.receipt(usage, ranUnder(leases[i]!, parsed[i]!.plan));
        return {
          text,
          tokens: [...tokens],
          ...scored,
          ...(await calledIn(text, all[i]!)),
          finishReason: reason,
          receipt,
        };
      });
      return await Promise.all(completions);
    } finally {
      for (const lease of leases) lease[Symbol.dispose]();
    }
  }

  /** Likelihoods of continuations by a decoder. @throws UserError if there are none, or the model is no decoder */
  async score(
    read: () => readonly Continuations[],
    { onStopped, arrived, ceiling = {}, ...terms }: Terms,
    recipe = this.model.recipe,
  ) {
    const time = new Stopwatch(arrived);
    time.enter("prefill");
    const asked = read();
    if (asked.length === 0) throw new UserError("there are no texts, expected at least one", 2);
    const { engine, tokenizer, recipes } = this.model.language;
    checkCeiling(ceiling, () => priceOfAsked(engine.programs, asked));
    const scheduler = this.#scheduler ?? new Scheduler(engine, tokenizer, { rows: 1, queue: 0 });
    using lease = await recipes.use(recipe);
    const told = this.#biller.told(onStopped, lease);
    const { plan: planFor } = lease;
    const { found, usage } = await this.sound(
      scoreContinuations(engine, scheduler, asked, { ...terms, time, onStopped: told, planFor }),
    );
    return { found, receipt: this.#biller.receipt(usage, lease) };
  }

  /** Answers of a reading, with their receipt. */
  async billed<T>(reading: Promise<Answers<T>>): Promise<{ answers: T[]; receipt: Receipt }> {
    return this.#biller.billed(await this.sound(reading));
  }

  /** The receipt of a run without a recipe. */
  receipt(usage: Usage): Receipt {
    return this.#biller.receipt(usage, { recipe: [] });
  }

  /** The terms of a run without a recipe: whoever stops it has its receipt. */
  terms<T extends Stops>({ onStopped, ...terms }: T): Omit<T, "onStopped"> & ReadTerms {
    return { ...terms, onStopped: this.#biller.told(onStopped, { recipe: [] }) };
  }

  /** The result of a run, or its error with the damage behind it. */
  async sound<T>(running: Promise<T>): Promise<T> {
    try {
      return await running;
    } catch (error) {
      throw await this.#explained(error);
    }
  }

  /** Looks for damage behind numbers that are not finite. */
  async #explained(error: unknown): Promise<unknown> {
    if (!(error instanceof NotFinite)) return error;
    this.#unsound = true;
    return await damageBehind(error, this.source);
  }
}
