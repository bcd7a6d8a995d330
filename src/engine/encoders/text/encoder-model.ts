import { addSpent, type Spent } from "../../../graph/index.ts";
import type { TextEncoder } from "../../../models/encoder/encoder.ts";
import { prepare } from "../../../models/programs/programs.ts";
import type { Recipe } from "../../../savings/recipe.ts";
import { cosine } from "../../../util/cosine.ts";
import { UserError } from "../../../util/errors.ts";
import type { Quant } from "../../../weights/prepared/weights.ts";
import { preparedFolder, type ResolvedModel } from "../../../weights/sources/index.ts";
import type { Input, Tokenizer } from "../../../weights/tokenizer/index.ts";
import { denseBill } from "../../bill/meter.ts";
import { checkCeiling } from "../../bill/price.ts";
import { type RequestTimes, Stopwatch } from "../../bill/stopwatch.ts";
import type { Ceiling } from "../../decode/answer/cut.ts";
import type { Usage } from "../../decode/answer/generate.ts";
import type { OnStopped } from "../../decode/answer/terms.ts";
import { type ModelFiles, openAdapted } from "../../file/adapters.ts";
import { beside } from "../../file/beside.ts";
import { tokenizerOf } from "../../file/tokenizer-of.ts";
import type { BaseModel } from "../../kinds/kind.ts";
import { useDense } from "../../kinds/seamless.ts";
import { finite } from "../../not-finite.ts";
import { checkTokens, documentName, limitOf, type TextName, type Truncate, textName } from "../../truncate.ts";
import { activate, type Classification, type ClassifierSettings, classification, type Reading } from "./classifier.ts";
import { EncoderQueue, type EncodeTerms, type EncodingCost, queued } from "./encoder-queue.ts";
import { RowPrograms, RowRunner } from "./encoder-runner.ts";
import { LateInteraction } from "./late-interaction.ts";
import { openedEncoder } from "./opened-encoder.ts";
import { promptNamed, type SentenceSettings, searchPrompts } from "./sentence-files.ts";

/** An encoder's results for texts, in order, and their cost. */
export interface Answers<T> {
  readonly answers: T[];
  readonly usage: Usage;
}

/** The conditions under which texts are read. */
export interface ReadTerms extends EncodeTerms {
  /** Requests with more FLOPs are refused before anything runs. */
  readonly ceiling?: Pick<Ceiling, "flops"> | undefined;
  readonly onStopped?: OnStopped | undefined;
  /** The treatment of long texts; true, the default, cuts their ends. */
  readonly truncate?: Truncate | undefined;
  /** The task whose prompt is written before each text to embed, such as `query`; the model's default if absent. */
  readonly prompt?: string | undefined;
}

/** A text, or token ids. */
export type TextOrIds = string | readonly number[];

/** A loaded encoder: for embeddings, classification or late interaction, depending on its files. */
export class EncoderModel implements BaseModel {
  readonly kind = "encoder";

  private constructor(
    readonly source: ResolvedModel,
    readonly encoder: TextEncoder,
    readonly tokenizer: Tokenizer,
    readonly settings: SentenceSettings,
    readonly classifier: ClassifierSettings | undefined,
    private readonly late: LateInteraction | undefined,
    /** The length of a vector, or the number of a classifier's scores. */
    readonly width: number,
    /** Batches texts that wait at the same time. */
    readonly queue: EncoderQueue,
  ) {}

  /**
   * Opens an encoder, or only its first `layers` layers.
   * @throws UserError if its files need something unsupported, or it has fewer layers
   */
  static async load(
    source: ResolvedModel,
    quant: Quant = "auto",
    files?: ModelFiles,
    layers?: number,
  ): Promise<EncoderModel> {
    const { checkpoint, own } = files ?? (await openAdapted(source.path, {}));
    const folder = preparedFolder(source.path);
    const opened = await openedEncoder(checkpoint, folder, quant, own, layers);
    const { encoder, weights, settings, classifier, late: read, width, trace } = opened;
    const { config } = encoder;
    const compiling = RowPrograms.compile(prepare(weights, trace).at(-1)!);
    const [programs, tokenizer] = await beside(compiling, () => tokenizerOf(checkpoint, config.vocabulary));
    const late = read && new LateInteraction(read, tokenizer, width);
    const shape = { width, types: config.types, byToken: late !== undefined };
    const queue = new EncoderQueue(new RowRunner(programs, shape));
    return new EncoderModel(source, encoder, tokenizer, settings, classifier, late, width, queue);
  }

  /** True if the model compares texts token by token and does not embed them. */
  get compares(): boolean {
    return this.late !== undefined;
  }

  use(recipe: Recipe): Promise<undefined> {
    return useDense(this.source.name, recipe);
  }

  /**
   * A vector for each text. Token ids are used unchanged, without the model's prompt.
   * @throws UserError if the model is a classifier, an id is outside the vocabulary, or the prompt does not exist
   */
  async embed(texts: readonly TextOrIds[], terms: ReadTerms = {}): Promise<Answers<Float32Array>> {
    const prompt = promptNamed(this.settings, terms.prompt, this.source.name);
    return this.#vectors(texts, textName, terms, () => prompt);
  }

  async #vectors(
    texts: readonly TextOrIds[],
    nameOf: TextName,
    terms: ReadTerms,
    promptOf: (index: number) => string,
  ): Promise<Answers<Float32Array>> {
    if (this.classifier)
      throw new UserError(`${this.source.name} is a classifier, which scores texts; expected an embedding model`);
    if (this.compares)
      throw new UserError(
        `${this.source.name} compares texts token by token, to rank them; expected an embedding model`,
      );
    const { truncate } = terms;
    const inputs = () =>
      texts.map((it, i) =>
        typeof it === "string"
          ? this.#input(promptOf(i) + it, nameOf(i), truncate)
          : this.#tokenInput(it, nameOf(i), truncate),
      );
    return this.#run(inputs, (row) => row, terms);
  }

  /**
   * The scores of the labels for each text or pair; with `among`, only of those labels.
   * @throws UserError if the model is not a classifier
   */
  async classify(
    readings: readonly Reading[],
    among?: readonly string[],
    terms: ReadTerms = {},
  ): Promise<Answers<Classification>> {
    const settings = this.#classifier();
    const read = (row: Float32Array) => classification(settings, row, among);
    // An unknown label is reported before anything runs.
    read(new Float32Array(settings.labels.length));
    return this.#run(() => this.#inputs(readings), read, terms);
  }

  /**
   * The logits of each text or pair, in the order of the classifier's labels, before softmax or sigmoid.
   * @throws UserError if the model is not a classifier
   */
  async logits(readings: readonly Reading[], terms: ReadTerms = {}): Promise<Answers<Float32Array>> {
    this.#classifier();
    return this.#run(
      () => this.#inputs(readings),
      (row) => row,
      terms,
    );
  }

  /** The cost of these texts in separate batches; runs nothing. */
  price(texts: readonly string[]): Spent {
    const prompt = this.classifier ? "" : this.settings.prompt;
    return this.queue.price(texts.map((text, i) => this.#input(prompt + text, textName(i))));
  }

  /**
   * Relevance of each text to the query: a cross-encoder's score, the cosine of embeddings, or the sum of the greatest
   * token cosines.
   * @throws UserError if the model classifies into several labels
   */
  async relevance(query: string, texts: readonly string[], terms: ReadTerms = {}): Promise<Answers<number>> {
    if (this.late) return this.#byToken(this.late, query, texts, terms);
    if (!this.classifier) return this.#nearness(query, texts, terms);
    const { labels, relevance } = this.classifier;
    if (labels.length !== 1)
      throw new UserError(`${this.source.name} has ${labels.length} labels, expected a cross-encoder, which has one`);
    const pairs = texts.map((text) => [query, text] as const);
    return this.#run(
      () => pairs.map((pair, i) => this.#input(pair, `${documentName(i)}, with the query,`, terms.truncate)),
      (row) => activate([row[0]!], relevance)[0]!,
      terms,
    );
  }

  async #nearness(query: string, texts: readonly string[], terms: ReadTerms): Promise<Answers<number>> {
    const nameOf = (index: number) => (index === 0 ? "the query" : documentName(index - 1));
    const prompts = searchPrompts(this.settings);
    const promptOf = (index: number) => (index === 0 ? prompts.query : prompts.document);
    const { answers, usage } = await this.#vectors([query, ...texts], nameOf, terms, promptOf);
    const [queryVector, ...documents] = answers;
    return { answers: documents.map((vector) => cosine(queryVector!, vector)), usage };
  }

  async #byToken(
    late: LateInteraction,
    query: string,
    texts: readonly string[],
    terms: ReadTerms,
  ): Promise<Answers<number>> {
    const { rows, inputs, usage } = await this.#rows(
      () => late.inputs(query, texts, terms.truncate),
      terms,
      ([query, ...documents]) => late.cost(query!, documents),
    );
    const [ofQuery, ...documents] = rows;
    const answers = documents.map((vectors, i) => late.score(ofQuery!, vectors, inputs[i + 1]!));
    return { answers, usage: usage() };
  }

  #classifier(): ClassifierSettings {
    if (this.classifier) return this.classifier;
    throw new UserError(`${this.source.name} has no classifier, expected a model with a head that scores labels`);
  }

  async #run<T>(inputsOf: () => Input[], read: (row: Float32Array) => T, terms: ReadTerms): Promise<Answers<T>> {
    const { rows, usage } = await this.#rows(inputsOf, terms);
    return { answers: rows.map(read), usage: usage() };
  }

  /** Computes one row for each input; `after` returns the cost of processing the rows. */
  async #rows(
    inputsOf: () => Input[],
    { onStopped, ceiling = {}, truncate: _, prompt: __, ...terms }: ReadTerms,
    after: (inputs: readonly Input[]) => Spent = () => ({ flops: 0, bytes: 0 }),
  ) {
    const time = new Stopwatch(terms.arrived);
    time.enter("prefill");
    const inputs = inputsOf();
    const more = after(inputs);
    checkCeiling(ceiling, () => this.queue.price(inputs).flops + more.flops);
    const bill = { flops: 0, bytes: 0, tokens: 0 };
    const usage = () => usageOf(bill, time.total());
    try {
      const rows = await this.queue.read(inputs, bill, queued(terms, time));
      addSpent(bill, more);
      return { rows: rows.map((row) => finite(row, "a result")), inputs, usage };
    } catch (error) {
      onStopped?.(usage());
      throw error;
    }
  }

  /** The number of tokens in a text (and the prompt, for embeddings), without the tokens that the tokenizer adds. */
  tokensOf(text: string): number {
    const whole = this.classifier ? text : this.settings.prompt + text;
    return this.tokenizer.encode(this.#cased(whole)).length;
  }

  /**
   * The maximum number of tokens that the model reads per text, or per pair of texts; longer texts are cut at the end.
   */
  room(texts: 1 | 2): number {
    return this.#most - this.tokenizer.input("", texts === 2 ? { pair: "" } : {}).ids.length;
  }

  get #most(): number {
    return Math.min(this.settings.limit ?? Number.POSITIVE_INFINITY, this.encoder.config.context);
  }

  #cased(text: string): string {
    return this.settings.lowercase ? text.toLowerCase() : text;
  }

  #inputs(readings: readonly Reading[]): Input[] {
    return readings.map((reading, i) => this.#input(reading, textName(i)));
  }

  /** Token ids, unchanged but cut to the model's limit. */
  #tokenInput(ids: readonly number[], name: string, truncate?: Truncate): Input {
    const { vocabulary } = this.encoder.config;
    const beyond = ids.find((id) => id >= vocabulary);
    if (ids.length === 0 || beyond !== undefined)
      throw new UserError(`${name}: expected one or more token ids, 0 to ${vocabulary - 1}, got ${beyond ?? "none"}`);
    const head = ids.slice(0, limitOf(truncate, this.#most));
    checkTokens(head.length, this.#most, name);
    return { ids: head, types: head.map(() => 0) };
  }

  #input(reading: Reading, name: string, truncate?: Truncate): Input {
    const [text, pair] = (typeof reading === "string" ? [reading] : reading).map((t) => this.#cased(t));
    const input = this.tokenizer.input(text!, {
      ...(pair !== undefined && { pair }),
      limit: limitOf(truncate, this.#most),
    });
    checkTokens(input.ids.length, this.#most, name);
    if (input.ids.length === 0) throw new UserError(`${name} is empty, expected at least one token`);
    return input;
  }

  [Symbol.dispose](): void {
    this.queue[Symbol.dispose]();
  }
}

const usageOf = (bill: EncodingCost, times: RequestTimes): Usage => ({
  tokens: { prompt: bill.tokens, cached: 0, completion: 0 },
  ...denseBill(bill),
  ...times,
});
