import { addSpent, type Cost, evalCost, type Spent } from "../../graph/index.ts";
import { openDecoder } from "../../models/registry.ts";
import type { Recipe } from "../../savings/recipe.ts";
import { ContextExceeded, UserError } from "../../util/errors.ts";
import { seededRandom } from "../../util/random.ts";
import type { Quant } from "../../weights/prepared/weights.ts";
import { preparedFolder, type ResolvedModel } from "../../weights/sources/index.ts";
import { encodeChat, type PromptForm, type Tokenizer } from "../../weights/tokenizer/index.ts";
import { maskIdOf } from "../../weights/tokenizer/special.ts";
import { denseBill } from "../bill/meter.ts";
import { type RequestTimes, Stopwatch } from "../bill/stopwatch.ts";
import type { GenerateOptions, Piece, Usage } from "../decode/answer/generate.ts";
import { checkText } from "../decode/answer/sequence.ts";
import type { Terms } from "../decode/answer/terms.ts";
import { bosOf, checkIds } from "../decode/language-model.ts";
import { isIds, type Prompt, plainTextOf, promptFormOf, turnsOf } from "../decode/prompt.ts";
import { type ModelSampling, samplingOf } from "../decode/sampling/defaults.ts";
import { checkLabels, labelled } from "../decode/score/labelled.ts";
import { activate, type Classification, likeliest } from "../encoders/text/classifier.ts";
import type { Answers, ReadTerms } from "../encoders/text/encoder-model.ts";
import { type ModelFiles, type NamedRecord, openAdapted } from "../file/adapters.ts";
import { beside } from "../file/beside.ts";
import { tokenizerOf } from "../file/tokenizer-of.ts";
import type { BaseModel } from "../kinds/kind.ts";
import { useDense } from "../kinds/seamless.ts";
import { denoise, type Task } from "./denoise.ts";
import { DenoiserPrograms } from "./denoiser-programs.ts";
import { DenoiserRun } from "./denoiser-run.ts";
import { logLikelihood, SAMPLES } from "./likelihood.ts";
import { type DiffusionOptions, diffusionOptions, type Schedule, scheduleOf, transferCounts } from "./options.ts";
import { AnswerText } from "./text.ts";

/** A loaded diffusion language model, which fills in masked tokens in any order. */
export class DiffusionModel implements BaseModel {
  readonly kind = "diffusion language model";

  private constructor(
    readonly source: ResolvedModel,
    readonly tokenizer: Tokenizer,
    readonly programs: DenoiserPrograms,
    /** The id of the mask token. */
    readonly mask: number,
    /** The model's own sampling settings, if any. */
    readonly sampling: ModelSampling | undefined,
    private readonly record: NamedRecord | undefined,
  ) {}

  /** @throws UserError if its files need something unsupported, or its vocabulary has no mask token */
  static async load(source: ResolvedModel, quant: Quant = "auto", files?: ModelFiles): Promise<DiffusionModel> {
    const { checkpoint, own, records } = files ?? (await openAdapted(source.path, {}));
    const { decoder, weights } = await openDecoder(checkpoint, preparedFolder(source.path), quant, own);
    const { vocabulary, denoiser } = decoder.config;
    const sampling = samplingOf(checkpoint.config, source.sha256);
    const [programs, tokenizer] = await beside(DenoiserPrograms.compile(decoder, weights), () =>
      tokenizerOf(checkpoint, vocabulary),
    );
    const mask = denoiser!.mask ?? maskIdOf(tokenizer);
    if (mask !== undefined && mask < vocabulary)
      return new DiffusionModel(source, tokenizer, programs, mask, sampling, records.get(undefined));
    programs[Symbol.dispose]();
    throw new UserError(
      `${source.name}: the vocabulary of ${vocabulary} tokens has ${mask === undefined ? "no mask token" : `no token ${mask} for the mask`}, expected "mask_token_id" in config.json or a mask token`,
    );
  }

  use(recipe: Recipe): Promise<undefined> {
    return useDense(this.source.name, recipe);
  }

  get context(): number {
    return this.programs.decoder.config.context;
  }

  /** The format of a prompt: see `promptFormOf`. */
  formOf(prompt: Prompt, raw?: boolean): PromptForm | undefined {
    return promptFormOf(prompt, this.tokenizer, raw, this.record);
  }

  /** Ids of a prompt in its format. @throws UserError if it leaves no room for an answer in the context */
  encode(prompt: Prompt, raw?: boolean): number[] {
    const { tokenizer } = this;
    if (isIds(prompt)) return checkIds(prompt, this.programs.decoder.config.vocabulary);
    if (typeof prompt === "string") checkText(prompt, tokenizer, this.context);
    if (this.formOf(prompt, raw) === "chat")
      return encodeChat(tokenizer, turnsOf(prompt), { addGenerationPrompt: true });
    const text = typeof prompt === "string" ? prompt : plainTextOf(prompt, [], this.record!);
    return [...bosOf(tokenizer), ...tokenizer.encode(text)];
  }

  /**
   * Answers with `maxTokens` tokens, cut at the first end token; each piece is a block.
   * @throws UserError if the schedule does not divide the answer, or prompt and answer exceed the context
   */
  async *generate(
    prompt: readonly number[],
    options: GenerateOptions,
    {
      signal,
      onStopped,
      onBegun,
      deadline = Number.POSITIVE_INFINITY,
      ceiling = {},
      time = new Stopwatch(),
    }: Terms = {},
  ): AsyncGenerator<Piece> {
    time.enter("decode");
    const diffusion = options.diffusion ?? diffusionOptions.parse({});
    const schedule = this.schedule(prompt, Math.min(options.maxTokens, ceiling.tokens ?? options.maxTokens), diffusion);
    using run = this.run(prompt.length + schedule.length, schedule.block);
    const text = new AnswerText(this.tokenizer, options);
    let ended = false;
    let steps = 0;
    const usage = () => this.#usage(run, prompt.length, text.completion, schedule, diffusion, time.total());
    try {
      onBegun?.();
      for await (const { block, full, answer } of denoise(run, this.task(prompt, options), schedule, diffusion)) {
        steps++;
        signal?.throwIfAborted();
        const late = performance.now() >= deadline;
        const over = run.spent.flops >= (ceiling.flops ?? Number.POSITIVE_INFINITY);
        if (!full && !late && !over) continue;
        const from = block * schedule.block;
        const piece = full ? text.push(answer.subarray(from, from + schedule.block)) : text.push(new Int32Array());
        ended = text.stopped || late || over || (full && block === schedule.blocks - 1);
        if (!ended) yield piece;
        if (!ended) continue;
        const reason = text.stopped ? ("stop" as const) : ("length" as const);
        const cut = late ? ("deadline" as const) : over ? ("flops" as const) : undefined;
        yield { ...piece, text: piece.text + text.flush(), finish: { reason, usage: usage(), ...(cut && { cut }) } };
        return;
      }
    } finally {
      if (!ended && steps > 0) onStopped?.(usage());
    }
  }

  /**
   * Scores labels for each text by their estimated likelihood as answers to the prompt that `labelled` makes.
   * @throws UserError for no labels, or a text longer than the context
   */
  async classify(
    texts: readonly string[],
    labels: readonly string[],
    { signal, arrived }: Pick<ReadTerms, "signal" | "arrived"> = {},
  ): Promise<Answers<Classification>> {
    const time = new Stopwatch(arrived);
    time.enter("prefill");
    checkLabels(labels);
    const spent: Spent = { flops: 0, bytes: 0 };
    let [tokens, passes] = [0, 0];
    const answers: Classification[] = [];
    for (const text of texts) {
      const nats: number[] = [];
      for (const label of labels) {
        signal?.throwIfAborted();
        const { context, continuation } = labelled(text, label);
        const scored = await this.logLikelihood(this.encode(context, true), this.tokenizer.encode(continuation));
        nats.push(scored.nats);
        addSpent(spent, scored.spent);
        tokens += scored.tokens;
        passes += scored.passes;
      }
      answers.push(likeliest(labels, activate(nats, "softmax")));
    }
    const work = { passes: { dense: passes, run: passes } };
    const usage = { ...denseBill(spent), work, tokens: { prompt: tokens, cached: 0, completion: 0 } };
    return { answers, usage: { ...usage, ...time.total() } };
  }

  /**
   * An estimate of the log-likelihood of an answer after a prompt, from `samples` maskings (default: 128); the same seed
   * gives the same maskings.
   * @throws UserError if prompt and answer are longer than the context, or the answer is empty
   */
  async logLikelihood(
    prompt: readonly number[],
    answer: readonly number[],
    { samples = SAMPLES, seed = 0 }: { readonly samples?: number; readonly seed?: number } = {},
  ) {
    const tokens = prompt.length + answer.length;
    if (answer.length === 0) throw new UserError("the answer is empty, expected at least one token", 2);
    if (tokens > this.context)
      throw new ContextExceeded(`the text has ${tokens} tokens, but ${this.source.name} reads at most ${this.context}`);
    using run = this.run(tokens, answer.length);
    const nats = await logLikelihood(run, { prompt, answer, mask: this.mask, samples, random: seededRandom(seed) });
    return { nats, tokens, passes: run.passes, spent: { ...run.spent } };
  }

  /** The schedule of an answer. @throws UserError if it does not divide the answer, or exceeds the context */
  schedule(prompt: readonly number[], length: number, options: DiffusionOptions): Schedule {
    if (prompt.length + length > this.context)
      throw new ContextExceeded(
        `the prompt has ${prompt.length} tokens and the answer ${length}, but ${this.source.name} reads at most ${this.context}`,
      );
    return scheduleOf(length, options);
  }

  run(tokens: number, most: number): DenoiserRun {
    return new DenoiserRun(this.programs, tokens, most);
  }

  task(prompt: readonly number[], { temperature, seed }: Pick<GenerateOptions, "temperature" | "seed">): Task {
    const random = seed === undefined ? Math.random : seededRandom(seed);
    return { prompt, mask: this.mask, ends: this.tokenizer.stopIds, temperature, random };
  }

  #usage(
    { spent, passes }: DenoiserRun,
    prompt: number,
    completion: number,
    schedule: Schedule,
    options: DiffusionOptions,
    times: RequestTimes,
  ): Usage {
    const dense = denseCost(this.programs.dense, prompt, schedule, options.guidance > 0);
    return {
      tokens: { prompt, cached: 0, completion },
      flops: { dense: dense.flops, spent: spent.flops, overhead: 0 },
      bytes: { dense: dense.bytes, spent: spent.bytes },
      work: { passes: { dense: dense.passes, run: passes } },
      ...times,
    };
  }

  [Symbol.dispose](): void {
    this.programs[Symbol.dispose]();
  }
}

/** The cost of a complete schedule without a cache, and its forward passes; guidance runs each step twice. */
function denseCost(
  cost: Cost,
  prompt: number,
  { length, block, blocks, stepsPerBlock }: Schedule,
  guided: boolean,
): Spent & { readonly passes: number } {
  const each = guided ? 2 : 1;
  const sum: Spent = { flops: 0, bytes: 0 };
  const counts = transferCounts(block, stepsPerBlock).filter((count) => count > 0);
  let rows = block;
  for (const count of counts) {
    const { flops, bytes } = evalCost(cost, { batch: 1, tokens: prompt + length, rows });
    addSpent(sum, { flops: each * blocks * flops, bytes: each * blocks * bytes });
    rows -= count;
  }
  return { ...sum, passes: each * blocks * counts.length };
}
