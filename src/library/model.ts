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
import type { Recognizer } from "../pipelines/recognize/recognizer.ts";
import type { Recipe } from "../savings/recipe.ts";
import { UserError } from "../util/errors.ts";
import { adapterHash } from "../weights/adapter/record.ts";
import { fillBlanks, type PromptForm, parseBlanks } from "../weights/tokenizer/index.ts";
import * as args from "./arguments.ts";
import { given } from "./arguments.ts";
import type { Auditor } from "./auditor.ts";
import { encoderOf, type Generative, generativeOf } from "./model-kinds.ts";
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
import type { RecognizeCall } from "./recognize-request.ts";
import { formOf, type Reading as PromptReading, requestOf } from "./request.ts";
import { Runs } from "./runs.ts";
import { withCalls } from "./tool-calls.ts";

/** Learns the form of a prompt (undefined for ids), and the recipe that it runs under. */
export type FormWatcher = (form: PromptForm | undefined, recipe: Recipe) => void;

interface OpenOptions {
  /** Called for each prompt that is to be answered; it may refuse it. */
  readonly onForm?: FormWatcher;
  /** The folder of the adapter that the model was loaded with. */
  readonly adapter?: string | undefined;
}

/**
 * A loaded model. Calls run under their own recipe or the one it was loaded with. Dispose of it (`using`, or
 * `model.dispose()`) to free its memory.
 */
export class Model implements Disposable {
  readonly #loaded: LoadedModel;
  readonly #runs: Runs;
  readonly #onForm: FormWatcher | undefined;
  readonly #adapter: string | undefined;
  #adapterHash: string | undefined;
  #disposed = false;
  #recognizer: Promise<Recognizer> | undefined;

  private constructor(
    loaded: LoadedModel,
    readonly recipe: Recipe,
    /** Keeps the recipe ready. */
    private readonly lease: Lease | undefined,
    /** Milliseconds. */
    loadTime: number,
    { onForm, adapter }: OpenOptions,
  ) {
    this.#loaded = loaded;
    this.#onForm = onForm;
    this.#adapter = adapter;
    this.#runs = new Runs(this, loaded.source, loadTime, adapter && path.basename(path.resolve(adapter)));
  }

  /**
   * `recipe` is for calls that name none; `started` is the time of `performance.now()` when loading began.
   * @throws UserError if the recipe cannot act in the model
   */
  static async open(loaded: LoadedModel, recipe: Recipe, started: number, options: OpenOptions = {}): Promise<Model> {
    try {
      const lease = await loaded.use(recipe);
      return new Model(loaded, lease?.recipe ?? recipe, lease, performance.now() - started, options);
    } catch (error) {
      loaded[Symbol.dispose]();
      throw error;
    }
  }

  get name(): string {
    return this.#loaded.source.name;
  }

  /** SHA-256 of the adapter that the model was loaded with; undefined without one. */
  get adapterHash(): string | undefined {
    if (this.#adapter === undefined) return undefined;
    this.#adapterHash ??= adapterHash(this.#adapter);
    return this.#adapterHash;
  }

  /** The sampling settings that its authors publish; undefined if there are none. */
  get sampling(): ModelSampling | undefined {
    const { loaded } = this;
    return "sampling" in loaded ? loaded.sampling : undefined;
  }

  /** @throws UserError if it was disposed of */
  get loaded(): LoadedModel {
    if (this.#disposed) throw new UserError(`${this.name}: a model was used after it was disposed; load it again`);
    return this.#loaded;
  }

  /** @throws UserError if the model is no decoder */
  get language(): LanguageModel {
    const model = this.generative;
    if (model.kind === "decoder") return model;
    const does = model.kind === "encoder with a decoder" ? "turns one text into another" : "fills in masked tokens";
    throw new UserError(`${this.name} ${does}; expected a model that goes on with a text`);
  }

  /** @throws UserError if the model is an encoder */
  get generative(): Generative {
    return generativeOf(this.loaded);
  }

  /** @throws UserError if the model generates */
  get encoder(): EncoderModel {
    return encoderOf(this.loaded);
  }

  /** The form in which `generate` would read a prompt; undefined for ids. */
  formOf(prompt: Prompt, options: PromptReading): PromptForm | undefined {
    return formOf(this.generative, prompt, options);
  }

  /** @throws UserError if the model's recipe was measured on prompts of another form */
  checkForm(prompt: Prompt, options: PromptReading, recipe: Recipe = this.recipe): void {
    this.#onForm?.(this.formOf(prompt, options), recipe);
  }

  /** Streams an answer. A text is one user turn if the model has a chat template. @throws UserError for a prompt that is empty or too long */
  async *generate(prompt: Prompt, options: RunOptions = {}): AsyncGenerator<Chunk, void> {
    const checked = given("generate's options", args.runOptions, options);
    const { key, arrived, deadline, onBegun, ceiling, signal, onStopped, save, ...asked } = checked;
    const time = new Stopwatch(arrived);
    const request = await requestOf(
      this,
      given("generate's prompt", args.prompt, prompt),
      { ...asked, save },
      time,
      signal,
    );
    yield* withCalls(this.#runs.answer(request, checked), checked);
  }

  /** Streams an answer to ids and rows of the stream, as a pipeline has put them together. @throws UserError as `generate` does */
  async *generateSpanned(spanned: SpannedPrompt, options: RunOptions = {}): AsyncGenerator<Chunk, void> {
    const checked = given("generate's options", args.runOptions, options);
    const { key, arrived, deadline, onBegun, ceiling, signal, onStopped, save, ...asked } = checked;
    // Spans are of this model's own ids, so any id stands for them while the options are read.
    const { prompt: _, ...request } = await requestOf(this, [0], asked, new Stopwatch(arrived));
    yield* this.#runs.answer({ ...request, ...spanned }, checked);
  }

  /**
   * For servers: from now on the requests of `generate` run together, each a row of one batch; those beyond its rows
   * wait. They run at the batch's pace, however slowly they are read. A request that finds the queue full fails with
   * `Refused`, for an encoder, too. Undefined for text-to-text and diffusion models and those that draw, whose requests run one by
   * one.
   */
  schedule(options: SchedulerOptions): Turns | undefined {
    return this.#runs.schedule(options);
  }

  /** For servers, of a model that is scheduled: a share of the answers that are given under certificates is audited in its pauses. */
  audit(auditor: Auditor): void {
    this.#runs.audit(auditor);
  }

  /** True if it has computed numbers that are not finite: its files may be damaged. */
  get unsound(): boolean {
    return this.#runs.unsound;
  }

  /** The whole answer at once. */
  async complete(prompt: Prompt, options: RunOptions = {}): Promise<Completion> {
    const whole: Pick<Completion, "text" | "tokens" | "prompt"> = { text: "", tokens: [] };
    for await (const { text, tokens, prompt: scored, finishReason, receipt, ...called } of this.generate(
      prompt,
      options,
    )) {
      whole.text += text;
      whole.tokens.push(...tokens);
      if (scored) whole.prompt = [...scored];
      if (finishReason && receipt) return { ...whole, ...called, finishReason, receipt };
    }
    throw new Error("an answer ended without its receipt");
  }

  /**
   * Text to insert at a place in a text, such as a source file: greedily the rest of a line or of a block, from what
   * stands before and, if the model has tokens to fill in, after the place.
   * @throws UserError if the place is outside the text
   */
  async completeAt(text: string, options: CompleteAtOptions): Promise<CodeCompletion> {
    const terms = given("completeAt's options", args.completeAtOptions, options);
    const { completeAt } = await import("./complete-at.ts");
    return completeAt(this, given("completeAt's text", args.text, text), terms);
  }

  /**
   * Fills the blanks `<extra_id_0>`, `<extra_id_1>` … of a text in one answer, by a model that was trained to. A blank
   * that the answer does not reach is empty.
   * @throws UserError if the model lacks the tokens, or the blanks are out of order
   */
  async infill(text: string, options: RunOptions = {}): Promise<Infilled> {
    const blanked = parseBlanks(given("infill's text", args.text, text));
    const { tokens, ...answer } = await this.complete(text, { ...options, infill: true });
    const ids = tokens.map(({ id }) => id);
    return { ...answer, tokens, ...fillBlanks(blanked, ids, this.language.tokenizer) };
  }

  /**
   * One vector a text, by sentence-transformers' files beside the model; long texts are cut, unless `truncate` is false. Some models read images,
   * too: `{ image }`, a file's path or its bytes.
   * @throws UserError if the model has no vectors, or an image cannot be read
   */
  async embed(
    texts: readonly TextOrImage[],
    options: EmbedOptions = {},
  ): Promise<{ embeddings: Float32Array[]; receipt: Receipt }> {
    const terms = this.#runs.terms(given("embed's options", args.embedOptions, options));
    const all = given("embed's texts", args.textsOrImages, texts);
    const { embedBy } = await import("./readings.ts");
    const { answers, receipt } = await this.#runs.billed(embedBy(this.loaded, all, terms));
    return { embeddings: answers, receipt };
  }

  /**
   * Scores of a classifier's labels for each text or pair of texts; for a generative model, the likelihood of given
   * labels after the text, estimated for one that fills in masked tokens; for a model of images and texts, the nearness of given labels to each image.
   * @throws UserError if the model has no such head or label, or an image cannot be read
   */
  async classify(
    readings: readonly (Reading | ImageInput)[],
    options: ClassifyOptions = {},
  ): Promise<{ results: Classification[]; receipt: Receipt }> {
    const { labels, save, ...terms } = given("classify's options", args.classifyOptions, options);
    const all = given("classify's texts", args.readings, readings);
    const { loaded } = this;
    const { classifyBy, labelsFor, oneTextEach } = await import("./readings.ts");
    if (loaded.kind === "decoder") {
      const { askedOfLabels, classificationOf } = await import("../engine/decode/score/labelled.ts");
      const chosen = labelsFor(this.name, labels);
      const asked = () => askedOfLabels(loaded, oneTextEach(this.name, all), chosen);
      const { found, receipt } = await this.#runs.score(asked, terms, save);
      return { results: found.map((each) => classificationOf(chosen, each)), receipt };
    }
    await this.#runs.use(save);
    const { answers, receipt } = await this.#runs.billed(classifyBy(loaded, all, labels, this.#runs.terms(terms)));
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
    const {
      maxTokensPerText: most,
      save,
      truncate,
      ...terms
    } = given("relevance's options", args.relevanceOptions, options);
    const [q, whole] = [given("relevance's query", args.text, query), given("relevance's texts", args.texts, texts)];
    const { beginning } = await import("./readings.ts");
    const all = most === undefined ? whole : whole.map((text) => beginning(this.loaded.tokenizer, text, most));
    const { loaded } = this;
    if (loaded.kind === "decoder") {
      const { askedOfQuery, relevanceOf } = await import("../engine/decode/score/relevance.ts");
      const { found, receipt } = await this.#runs.score(() => askedOfQuery(loaded, q, all, truncate), terms, save);
      return { scores: found.map(relevanceOf), receipt };
    }
    await this.#runs.use(save);
    const { answers, receipt } = await this.#runs.billed(
      this.encoder.relevance(q, all, this.#runs.terms({ ...terms, truncate })),
    );
    return { scores: answers, receipt };
  }

  /**
   * Draws images, of a class if the model has classes.
   * @throws UserError if the model does not draw, or has no such class
   */
  async imagine(options: ImagineOptions = {}): Promise<{ images: Picture[]; receipt: Receipt }> {
    const checked = given("imagine's options", args.imagineCall, options);
    const { signal, onStep, onStopped, ...asked } = checked;
    const { loaded } = this;
    if (loaded.kind !== "image generator")
      throw new UserError(`${this.name} does not draw; expected an image generator, such as digits-tiny`);
    const terms = this.#runs.terms({ signal, onStep, onStopped });
    const { images, usage } = await this.#runs.sound(loaded.imagine(asked, terms));
    return { images, receipt: this.#runs.receipt(usage) };
  }

  /**
   * Whole answers to many prompts, in the same order, decoded together for the most tokens a second; each answer comes
   * later than it would alone. Each has its own options, end and receipt. `signal` stops all, and `onStopped` is then
   * called for each that had begun.
   * @throws UserError as `generate` does, before anything runs
   */
  async completeAll(requests: readonly BatchRequest[], options: Stoppable = {}): Promise<Completion[]> {
    const { signal, onStopped } = given("completeAll's options", args.stoppable, options);
    const all = given("completeAll's requests", args.batchRequests, requests);
    return this.#runs.answerAll(all, { signal, onStopped });
  }

  /**
   * Names the regions of a picture, by the localiser and the bridge that come with the model.
   * @throws UserError if it has none, or for a picture, box or label that is none
   */
  async recognize(request: RecognizeCall): Promise<Recognized> {
    const [{ imageTextOf, recognizeRequest }, { openRecognizerOf }, { recognize }] = await Promise.all([
      import("./recognize-request.ts"),
      import("../pipelines/recognize/bundled.ts"),
      import("../pipelines/recognize/recognize.ts"),
    ]);
    const { image, ...rest } = given("recognize's request", recognizeRequest, request);
    this.#recognizer ??= openRecognizerOf(imageTextOf(this));
    const recognizer = await this.#recognizer.catch((error: unknown) => {
      this.#recognizer = undefined;
      throw error;
    });
    return this.#runs.sound(recognize(recognizer, { ...rest, image: { image } }));
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    void this.#recognizer?.then(
      (recognizer) => recognizer[Symbol.dispose](),
      () => {},
    );
    this.lease?.[Symbol.dispose]();
    this.#loaded[Symbol.dispose]();
  }

  [Symbol.dispose](): void {
    this.dispose();
  }
}
