import path from "node:path";
import { Stopwatch } from "../engine/bill/stopwatch.ts";
import type { LanguageModel, Prompt } from "../engine/decode/language-model.ts";
import type { Lease } from "../engine/decode/run/recipes.ts";
import type { SpannedPrompt } from "../engine/decode/run/spans.ts";
import type { ModelSampling } from "../engine/decode/sampling/defaults.ts";
import type { TextOrImage } from "../engine/encoders/image-text/image-text-model.ts";
import type { Classification, Reading } from "../engine/encoders/text/classifier.ts";
import type { EncoderModel } from "../engine/encoders/text/encoder-model.ts";
import type { Picture } from "../engine/images/pixels/encode.ts";
import type { ImageInput } from "../engine/images/pixels/input.ts";
import type { LoadedModel } from "../engine/kinds/index.ts";
import type { Turns } from "../engine/schedule/fair-queue.ts";
import type { SchedulerOptions } from "../engine/schedule/scheduler.ts";
import type { Receipt } from "../ledger/receipt.ts";
import type { Recognized } from "../pipelines/recognize/recognize.ts";
import type { Recipe } from "../savings/recipe.ts";
import { UserError } from "../util/errors.ts";
import { adapterHash } from "../weights/adapter/record.ts";
import { fillBlanks, type PromptForm, parseBlanks } from "../weights/tokenizer/index.ts";
import * as args from "./arguments.ts";
import { checkArgument, type RecognizeCall } from "./arguments.ts";
import type { Auditor } from "./auditor.ts";
import type { Calls, Face, Generative } from "./kinds/face.ts";
import { faceOf, refuse } from "./kinds/index.ts";
import type {
  BatchRequest,
  Chunk,
  ClassifyOptions,
  CodeCompletion,
  CompleteAtOptions,
  Completion,
  EmbedOptions,
  ImagineOptions,
  Infilled,
  RelevanceOptions,
  RunOptions,
  Stoppable,
} from "./options.ts";
import { formOf, type Reading as PromptReading, requestOf, settingsOf } from "./request.ts";
import { Runs } from "./runs.ts";
import { wholeOf, withCalls } from "./whole-answer.ts";

/** Called with a prompt's form (undefined for ids) and its recipe. */
export type FormWatcher = (form: PromptForm | undefined, recipe: Recipe) => void;

interface OpenOptions {
  /** Called with each prompt's form before its answer; may throw to refuse the prompt. */
  readonly onForm?: FormWatcher;
  /** The folder of the adapter that the model was loaded with. */
  readonly adapter?: string | undefined;
}

/**
 * A loaded model. Calls run with their own recipe, or with the recipe that the model was loaded with. Dispose of it
 * (`using`, or `model.dispose()`) to free its memory.
 */
export class Model implements Disposable {
  readonly #runs: Runs;
  #adapterHash: string | undefined;
  #disposed = false;
  readonly #attached = new Map<string, Promise<Disposable>>();

  private constructor(
    private readonly model: LoadedModel,
    private readonly face: Face,
    readonly recipe: Recipe,
    /** Keeps the default recipe's programs compiled. */
    private readonly lease: Lease | undefined,
    /** Milliseconds that loading took. */
    loadTime: number,
    private readonly options: OpenOptions,
  ) {
    const { adapter } = options;
    this.#runs = new Runs(this, model.source, loadTime, adapter && path.basename(path.resolve(adapter)));
  }

  /**
   * `recipe` is for calls that name no recipe; `started` is when loading began, as in `performance.now()`.
   * @throws UserError if the recipe cannot be applied to the model
   */
  static async open(loaded: LoadedModel, recipe: Recipe, started: number, options: OpenOptions = {}): Promise<Model> {
    try {
      const lease = await loaded.use(recipe);
      const face = await faceOf(loaded);
      return new Model(loaded, face, lease?.recipe ?? recipe, lease, performance.now() - started, options);
    } catch (error) {
      loaded[Symbol.dispose]();
      throw error;
    }
  }

  get name(): string {
    return this.model.source.name;
  }

  /** SHA-256 of the adapter that the model was loaded with; undefined without one. */
  get adapterHash(): string | undefined {
    const { adapter } = this.options;
    if (adapter !== undefined) this.#adapterHash ??= adapterHash(adapter);
    return this.#adapterHash;
  }

  /** The sampling settings published with the model; undefined if there are none. */
  get sampling(): ModelSampling | undefined {
    const { loaded } = this;
    return "sampling" in loaded ? loaded.sampling : undefined;
  }

  /** @throws UserError if the model was disposed of */
  get loaded(): LoadedModel {
    if (this.#disposed) throw new UserError(`${this.name}: the model was used after it was disposed; load it again`);
    return this.model;
  }

  /** @throws UserError if the model is not a decoder */
  get language(): LanguageModel {
    return this.#call("language");
  }

  /** @throws UserError if the model is an encoder */
  get generative(): Generative {
    return this.#call("generative");
  }

  /** @throws UserError if the model generates */
  get encoder(): EncoderModel {
    return this.#call("encoder");
  }

  /** @throws UserError if the model has no such call */
  #call<C extends keyof Calls>(call: C): Calls[C] {
    const { loaded } = this;
    const calls: Partial<Calls> = this.face;
    return calls[call] ?? refuse(call, loaded);
  }

  /** The form in which `generate` would read a prompt; undefined for ids. */
  formOf(prompt: Prompt, options: PromptReading): PromptForm | undefined {
    return formOf(this.generative, prompt, options);
  }

  /** @throws UserError if the model's recipe was measured on prompts of a different form */
  checkForm(prompt: Prompt, options: PromptReading, recipe: Recipe = this.recipe): void {
    this.options.onForm?.(this.formOf(prompt, options), recipe);
  }

  /** Streams an answer. A text is one user turn if the model has a chat template. @throws UserError for a prompt that is empty or too long */
  async *generate(prompt: Prompt, options: RunOptions = {}): AsyncGenerator<Chunk, void> {
    const checked = checkArgument("generate's options", args.runOptions, options);
    const input = checkArgument("generate's prompt", args.prompt, prompt);
    const time = new Stopwatch(checked.arrived);
    const request = await requestOf(this, input, settingsOf(checked), time, checked.signal);
    yield* withCalls(this.#runs.answer(request, checked, this.#call("answer")), checked, this.generative.tokenizer);
  }

  /** The token ids of a prompt as `generate` would read it, without an answer. @throws UserError as `generate` does */
  async promptIds(prompt: Prompt, options: RunOptions = {}): Promise<readonly number[]> {
    const checked = checkArgument("generate's options", args.runOptions, options);
    const input = checkArgument("generate's prompt", args.prompt, prompt);
    return (await requestOf(this, input, settingsOf(checked), new Stopwatch(), checked.signal)).prompt;
  }

  /** Streams an answer to ids and rows of the stream, assembled by a pipeline. @throws UserError as `generate` does */
  async *generateSpanned(spanned: SpannedPrompt, options: RunOptions = {}): AsyncGenerator<Chunk, void> {
    const checked = checkArgument("generate's options", args.runOptions, options);
    // Spans already consist of this model's ids, so a placeholder id serves to check the options.
    const time = new Stopwatch(checked.arrived);
    const { prompt: _, ...request } = await requestOf(this, [0], { ...settingsOf(checked), save: undefined }, time);
    yield* this.#runs.answer({ ...request, ...spanned }, checked, this.#call("answer"));
  }

  /**
   * For servers: makes later requests to `generate` run together, each as a row of one batch; excess requests wait.
   * They run at the batch's pace, however slowly answers are read. If the queue (also an encoder's) is full, a request
   * fails with `Refused`. Returns undefined for text-to-text and diffusion models and image generators, whose requests
   * run one by one.
   */
  schedule(options: SchedulerOptions): Turns | undefined {
    return this.face.schedule?.(options);
  }

  /** For servers, if the model is scheduled: audits a share of the answers under certificates while idle. */
  audit(auditor: Auditor): void {
    this.face.audit?.(auditor);
  }

  /** True if the model has computed numbers that are not finite, so that its files may be damaged. */
  get unsound(): boolean {
    return this.#runs.unsound;
  }

  /** The whole answer at once. */
  async complete(prompt: Prompt, options: RunOptions = {}): Promise<Completion> {
    return wholeOf(this.generate(prompt, options));
  }

  /**
   * Text to insert at the cursor in a text, such as a source file: the rest of a line or block, decoded greedily from
   * the text before and, if the model has fill-in tokens, after the cursor.
   * @throws UserError if the cursor is outside the text
   */
  async completeAt(text: string, options: CompleteAtOptions): Promise<CodeCompletion> {
    const terms = checkArgument("completeAt's options", args.completeAtOptions, options);
    const { completeAt } = await import("./complete-at.ts");
    return completeAt(this, checkArgument("completeAt's text", args.text, text), terms);
  }

  /**
   * Fills the blanks `<extra_id_0>`, `<extra_id_1>` … of a text in one answer. The model must be trained to fill
   * blanks. A blank that the answer does not reach is empty.
   * @throws UserError if the model lacks the tokens, or the blanks are out of order
   */
  async infill(text: string, options: RunOptions = {}): Promise<Infilled> {
    const blanked = parseBlanks(checkArgument("infill's text", args.text, text));
    const { tokens, ...answer } = await this.complete(text, { ...options, infill: true });
    const ids = tokens.map(({ id }) => id);
    return { ...answer, tokens, ...fillBlanks(blanked, ids, this.language.tokenizer) };
  }

  /**
   * One vector per text, as the model's sentence-transformers files specify; long texts are cut, unless `truncate` is
   * false. Some models also read images: `{ image }`, a file's path or its bytes.
   * @throws UserError if the model has no vectors, or an image cannot be read
   */
  async embed(
    texts: readonly TextOrImage[],
    options: EmbedOptions = {},
  ): Promise<{ embeddings: Float32Array[]; receipt: Receipt }> {
    const terms = checkArgument("embed's options", args.embedOptions, options);
    const all = checkArgument("embed's texts", args.textsOrImages, texts);
    const embed = this.#call("embed");
    const { prompt, ...others } = terms;
    if (prompt !== undefined && !this.face.encoder)
      throw new UserError(
        `${this.loaded.source.name} has no prompt "${prompt}"; expected a model that embeds texts`,
        2,
      );
    const { answers, receipt } = await this.#runs.read(others, (under) => embed(all, { ...under, prompt }));
    return { embeddings: answers, receipt };
  }

  /**
   * Scores of a classifier's labels for each text or pair of texts; for a generative model, the likelihood of given labels after
   * the text, estimated if the model fills in masked tokens; for an image–text model, the similarity of given labels to each image.
   * @throws UserError if the model has no such head or label, or an image cannot be read
   */
  async classify(
    readings: readonly (Reading | ImageInput)[],
    options: ClassifyOptions = {},
  ): Promise<{ results: Classification[]; receipt: Receipt }> {
    const { labels, ...terms } = checkArgument("classify's options", args.classifyOptions, options);
    const all = checkArgument("classify's texts", args.readings, readings);
    const classify = this.#call("classify");
    const { answers, receipt } = await this.#runs.read(terms, (under) => classify(all, labels, under));
    return { results: answers, receipt };
  }

  /**
   * Relevance of each text to a query: a cross-encoder's score, the cosine of embeddings, or a generative model's
   * log-odds of yes over no.
   */
  async relevance(
    query: string,
    texts: readonly string[],
    options: RelevanceOptions = {},
  ): Promise<{ scores: number[]; receipt: Receipt }> {
    const { maxTokensPerText: most, ...terms } = checkArgument("relevance's options", args.relevanceOptions, options);
    const [q, whole] = [
      checkArgument("relevance's query", args.text, query),
      checkArgument("relevance's texts", args.texts, texts),
    ];
    const { beginning } = await import("./kinds/inputs.ts");
    const all = most === undefined ? whole : whole.map((text) => beginning(this.loaded.tokenizer, text, most));
    const relevance = this.#call("relevance");
    const { answers, receipt } = await this.#runs.read(terms, (under) => relevance(q, all, under));
    return { scores: answers, receipt };
  }

  /**
   * Draws images, of a class if the model has classes.
   * @throws UserError if the model does not draw, or has no such class
   */
  async imagine(options: ImagineOptions = {}): Promise<{ images: Picture[]; receipt: Receipt }> {
    const { signal, onStep, onStopped, ...drawing } = checkArgument("imagine's options", args.imagineCall, options);
    const imagine = this.#call("imagine");
    const terms = { signal, onStep, onStopped };
    const { answers, receipt } = await this.#runs.read(terms, (under) => imagine(drawing, under));
    return { images: answers, receipt };
  }

  /**
   * Complete answers to many prompts, in the same order, decoded together for the highest throughput; each answer takes
   * longer than it would by itself. Each answer has its own options, end and receipt. `signal` stops all answers, and
   * `onStopped` is then called for each answer that had begun.
   * @throws UserError as `generate` does, before anything runs
   */
  async completeAll(requests: readonly BatchRequest[], options: Stoppable = {}): Promise<Completion[]> {
    const { signal, onStopped } = checkArgument("completeAll's options", args.stoppable, options);
    const all = checkArgument("completeAll's requests", args.batchRequests, requests);
    return this.#runs.answerAll(all, { signal, onStopped });
  }

  /**
   * Names the regions of a picture with the model's own localiser and bridge.
   * @throws UserError if the model lacks them, or for an invalid picture, box or label
   */
  async recognize(request: RecognizeCall): Promise<Recognized> {
    const { image, ...rest } = checkArgument("recognize's request", args.recognizeRequest, request);
    return this.#runs.sound(this.#call("recognize")({ ...rest, image: { image } }, this));
  }

  /** For pipelines: a value attached to the model, made once per key and freed with it. */
  async attached<T extends Disposable>(key: string, make: () => Promise<T>): Promise<T> {
    const part = (this.#attached.get(key) as Promise<T> | undefined) ?? make();
    this.#attached.set(key, part);
    try {
      return await part;
    } catch (error) {
      this.#attached.delete(key);
      throw error;
    }
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    for (const part of this.#attached.values()) {
      void part.then(
        (models) => models[Symbol.dispose](),
        () => {},
      );
    }
    this.lease?.[Symbol.dispose]();
    this.model[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
