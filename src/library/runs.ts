import { Stopwatch } from "../engine/bill/stopwatch.ts";
import { generateAll } from "../engine/decode/answer/batch-generate.ts";
import type { Usage } from "../engine/decode/answer/generate.ts";
import type { OnStopped } from "../engine/decode/answer/terms.ts";
import type { Lease } from "../engine/decode/run/recipes.ts";
import type { Answers } from "../engine/encoders/text/encoder-model.ts";
import { NotFinite } from "../engine/not-finite.ts";
import type { Request } from "../engine/schedule/ticket.ts";
import type { Receipt } from "../ledger/receipt.ts";
import type { Plan } from "../savings/plan.ts";
import type { Recipe } from "../savings/recipe.ts";
import { UserError } from "../util/errors.ts";
import type { ResolvedModel } from "../weights/sources/index.ts";
import type { AnswerTerms, GenerationTerms as Options, ReadTerms } from "./arguments.ts";
import { Biller, type RanUnder } from "./biller.ts";
import type { Calls } from "./kinds/face.ts";
import type { Model } from "./model.ts";
import type { BatchRequest, Chunk, Completion } from "./options.ts";
import { requestOf } from "./request.ts";
import { calledIn } from "./whole-answer.ts";

/** A request among many, with its options parsed. */
type OneOfMany = Options & Pick<BatchRequest, "prompt"> & { readonly save?: Recipe | undefined };

const ranUnder = ({ recipe }: Lease, plan: Plan | undefined): RanUnder => ({ recipe, choice: plan?.choice });

/** A request as its plan runs it; the plan's certificate may lower the token limit. */
function planned(request: Request, plan: Plan | undefined): Request {
  const { maxTokens = request.options.maxTokens } = plan?.choice ?? {};
  return { ...request, options: { ...request.options, maxTokens }, plan };
}

/** A caller who may stop a run, and then gets its receipt. */
type Stops = Pick<AnswerTerms, "signal" | "onStopped">;

/** The recipe of a call that reads texts; `lease` is undefined for models without savings. */
interface Under {
  readonly arrived: number;
  readonly lease: Lease | undefined;
  readonly onStopped: OnStopped | undefined;
}

/** Runs one model's calls, each with its recipe and receipt. If damaged files caused a failure, the error says so. */
export class Runs {
  readonly #biller: Biller;
  #unsound = false;

  constructor(
    private readonly model: Pick<Model, "loaded" | "generative" | "language" | "recipe" | "checkForm" | "adapterHash">,
    private readonly source: ResolvedModel,
    /** Milliseconds that loading took. */
    loadTime: number,
    adapter: string | undefined,
  ) {
    const { loaded } = model;
    this.#biller = new Biller(source.name, loadTime, {
      ...(adapter !== undefined && { adapter }),
      ...(loaded.kind === "decoder" && loaded.form.quant === "q8r" && { form: "q8r" }),
    });
  }

  /** True if a run has computed numbers that are not finite. */
  get unsound(): boolean {
    return this.#unsound;
  }

  /** Streams the answer to a request, whose pieces come from `answer`. */
  async *answer(request: Request, terms: AnswerTerms, answer: Calls["answer"]): AsyncGenerator<Chunk, void> {
    const { key, deadline, onBegun, ceiling, signal, onStopped, audit, save = this.model.recipe } = terms;
    using lease = await this.model.loaded.use(save);
    const plan = lease?.plan(request.prompt.length, request.visual, request.facts);
    if (request.facts?.budget && !plan?.choice)
      throw new UserError("a budget needs a certificate; name a recipe such as auto:NAME", 2);
    const recipe = { recipe: lease?.recipe ?? [], choice: plan?.choice };
    const controls = {
      key,
      deadline,
      onBegun,
      ceiling,
      signal,
      audit,
      onStopped: this.#biller.receiptOnStop(onStopped, recipe),
    };
    try {
      for await (const { finish, ...piece } of answer({ ...planned(request, plan), ...controls }))
        yield finish
          ? { ...piece, finishReason: finish.reason, receipt: this.#biller.receipt(finish.usage, recipe, finish.cut) }
          : piece;
    } catch (error) {
      throw await this.#explained(error);
    }
  }

  /** Whole answers, decoded together, in the order of their requests. */
  async answerAll(all: readonly OneOfMany[], { signal, onStopped }: Stops): Promise<Completion[]> {
    const { engine, tokenizer, recipes } = this.model.language;
    const leases: Lease[] = [];
    try {
      const parsed: Request[] = [];
      const arrived = performance.now();
      for (const { prompt, save = this.model.recipe, ...terms } of all) {
        const time = new Stopwatch(arrived);
        const request = await requestOf(this.model, prompt, { ...terms, save }, time, signal);
        const lease = await recipes.use(save);
        leases.push(lease);
        parsed.push(planned(request, lease.plan(request.prompt.length, request.visual, request.facts)));
        time.enter("queue");
      }
      const stopped = (usage: Usage, request: Request) =>
        this.#biller.receiptOnStop(onStopped, ranUnder(leases[parsed.indexOf(request)]!, request.plan))?.(usage);
      const answers = await this.sound(generateAll(engine, tokenizer, parsed, signal, stopped));
      const completions = answers.map(async ({ tokens, prompt, reason, usage, ...parts }, i) => {
        const scored = prompt && { prompt: [...prompt] };
        const receipt = this.#biller.receipt(usage, ranUnder(leases[i]!, parsed[i]!.plan));
        return {
          ...parts,
          tokens: [...tokens],
          ...scored,
          ...(await calledIn(parts.text, all[i]!, this.model.generative.tokenizer)),
          finishReason: reason,
          receipt,
        };
      });
      return await Promise.all(completions);
    } finally {
      for (const lease of leases) lease[Symbol.dispose]();
    }
  }

  /** Reads texts with a recipe, and makes a receipt even if the call is stopped. */
  async read<T, O extends ReadTerms & Pick<AnswerTerms, "save">>(
    { save = this.model.recipe, onStopped, arrived = performance.now(), ...terms }: O,
    reading: (terms: Omit<O, "save" | "onStopped" | "arrived"> & Under) => Promise<Answers<T>>,
  ): Promise<{ answers: T[]; receipt: Receipt }> {
    using lease = await this.model.loaded.use(save);
    const recipe = { recipe: lease?.recipe ?? [] };
    const under = { arrived, lease, onStopped: this.#biller.receiptOnStop(onStopped, recipe) };
    const { answers, usage } = await this.sound(reading({ ...terms, ...under }));
    return { answers, receipt: this.#biller.receipt(usage, recipe) };
  }

  /** A run's result; if it failed because of damaged files, the error says so. */
  async sound<T>(running: Promise<T>): Promise<T> {
    try {
      return await running;
    } catch (error) {
      throw await this.#explained(error);
    }
  }

  /** Checks whether damaged files explain numbers that are not finite. */
  async #explained(error: unknown): Promise<unknown> {
    if (!(error instanceof NotFinite)) return error;
    this.#unsound = true;
    const { damageBehind } = await import("../engine/file/damage.ts");
    return await damageBehind(error, this.source);
  }
}
