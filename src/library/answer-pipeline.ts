import { z } from "zod";
import { priceOfLengths } from "../engine/decode/dense-price.ts";
import { answer, type Retrieval } from "../pipelines/answer/answer.ts";
import type { GateBinding } from "../pipelines/answer/gate/artefact.ts";
import type { Gate } from "../pipelines/answer/gate/gate.ts";
import type { AnswerModel, PassageSource } from "../pipelines/answer/model.ts";
import {
  type AnswerInput,
  type AnswerOptions,
  answerOptions,
  checkAnswerOptions,
} from "../pipelines/answer/options.ts";
import { askedOfChat, askedOfQuestion, citationsIn, type QuestionPrompts } from "../pipelines/answer/prompt.ts";
import { templateHash } from "../pipelines/answer/template.ts";
import { OptionError } from "../util/errors.ts";
import type { ChatMessage } from "../weights/tokenizer/index.ts";
import { gateFor } from "./answer-gate.ts";
import { given, loadOptions, text } from "./arguments.ts";
import { identityOf } from "./identity.ts";
import { load } from "./load.ts";
import type { Model } from "./model.ts";
import { openIndex } from "./open-index.ts";
import type { Chunk, Completion, LoadOptions, RunOptions } from "./options.ts";
import type { SearchIndex } from "./search-index.ts";
import { wholeOf } from "./whole-answer.ts";

export interface AnswererOptions extends LoadOptions {
  /** The name of an index; not needed if nothing is retrieved. */
  index?: string | undefined;
  /** The index's database, `postgres://user@host/database`; by default a folder in `MODICUM_HOME`. */
  store?: string | undefined;
  /** When to retrieve, and how much: `{ retrieval: "auto", passages: 3 }`. */
  answer?: AnswerInput | undefined;
  /** A file of calibrated gates, in place of the model's own. */
  calibration?: string | undefined;
}

/** The options of one answer. */
export interface AnswererCallOptions extends RunOptions {
  /** When to retrieve, for this answer; by default as the pipeline was opened. */
  retrieval?: AnswerOptions["retrieval"] | undefined;
}

/** A piece of an answer; the first, which is empty, and the last have the decision. */
export type AnsweredChunk = Chunk & { retrieval?: Retrieval };

export interface Answered extends Completion {
  /** True if the answer read passages. */
  retrieved: boolean;
  /** The passages' documents, the best first. */
  documents: Retrieval["documents"];
  /** Indices of the documents that the answer cites as `[1]`, `[2]` …, from 0. */
  citations: number[];
  retrieval: Retrieval;
}

const mode = answerOptions.shape.retrieval.unwrap();
const answererOptions = loadOptions.extend({
  index: text.optional(),
  store: text.optional(),
  answer: z.custom<AnswerInput>((it) => typeof it === "object" && it !== null, "expected options by name").optional(),
  calibration: text.optional(),
});

/**
 * Opens a model that answers questions, and looks them up in an index if a gate says so. Missing models are downloaded.
 * @throws UserError
 */
export async function openAnswerer(model: string, options: AnswererOptions = {}): Promise<AnswerPipeline> {
  const {
    index,
    store,
    answer: input = {},
    calibration: file,
    quant,
    save = [],
    ...rest
  } = given("openAnswerer's options", answererOptions, options);
  const settings = checkAnswerOptions(input);
  if (index === undefined) refuseSearch(settings);
  const { threads: _, adapter, adapters: __, ...resolving } = rest;
  const opened = index === undefined ? undefined : await openIndex(index, { ...resolving, store });
  let loaded: Model | undefined;
  try {
    const ready = await load(model, { ...rest, save, ...(quant && { quant }) });
    loaded = ready;
    const binding = () => bindingOf(model, ready, { quant, adapter });
    const gateOf = (each: AnswerOptions) => gateFor(each, { binding, file, onNotice: rest.onNotice });
    return new AnswerPipeline(ready, opened, settings, await gateOf(settings), gateOf);
  } catch (error) {
    loaded?.dispose();
    await opened?.close();
    throw error;
  }
}

/** @throws UserError if an answer without an index may search one */
function refuseSearch({ retrieval }: AnswerOptions): void {
  if (retrieval === "never") return;
  throw new OptionError(
    "retrieval",
    `${retrieval} searches an index; expected an index, or never in place of ${retrieval}`,
    2,
  );
}

interface Form {
  readonly quant: string | undefined;
  readonly adapter: string | undefined;
}

/** The model and the prompts that a gate is bound to. */
export async function bindingOf(name: string, model: Model, { quant, adapter }: Form): Promise<GateBinding> {
  const identity = await identityOf(name, model, quant);
  const recipe = [...identity.recipe, ...(adapter === undefined ? [] : [`adapter=${adapter}`])];
  return { model: { ...identity, recipe }, template: templateHash(model.language.tokenizer) };
}

/** A loaded model and an index that it may look into. Dispose of it (`await using`, or `await pipeline.dispose()`) to free both. */
export class AnswerPipeline implements AsyncDisposable {
  readonly kind = "answer";
  readonly #model: AnswerModel<RunOptions>;
  readonly #source: PassageSource | undefined;
  /** By `retrieval`. */
  readonly #gates = new Map<string, Promise<Gate>>();

  constructor(
    readonly model: Model,
    readonly index: SearchIndex | undefined,
    private readonly settings: AnswerOptions,
    /** The gate of calls that do not say when to retrieve. */
    readonly gate: Gate,
    private readonly gateOf: (settings: AnswerOptions) => Promise<Gate> = async () => gate,
  ) {
    this.#model = answerModelOf(model);
    this.#source = index && sourceOf(index, settings);
  }

  /** Streams an answer to a question, or to a chat's last turn; the decision comes first. @throws UserError */
  async *generate(
    question: string | readonly ChatMessage[],
    { retrieval = this.settings.retrieval, ...options }: AnswererCallOptions = {},
  ): AsyncGenerator<AnsweredChunk, void> {
    const { signal, onStopped, arrived = performance.now(), ...asked } = options;
    const settings = { ...this.settings, retrieval: given("answer's options.retrieval", mode, retrieval) };
    const gate = await this.#gateOf(settings);
    yield* answer(this.#model, this.#source, askedOf(this.#model, question), {
      ...{ gate, settings, options: asked, signal, onStopped, arrived },
      named: billedAs(this.model.name, settings),
    });
  }

  /** @throws UserError if there is no index to search */
  #gateOf(settings: AnswerOptions): Promise<Gate> | Gate {
    if (settings.retrieval === this.settings.retrieval) return this.gate;
    if (!this.index) refuseSearch(settings);
    const gate = this.#gates.get(settings.retrieval) ?? this.gateOf(settings);
    this.#gates.set(settings.retrieval, gate);
    return gate;
  }

  /** The whole answer at once. @throws UserError */
  async answer(question: string | readonly ChatMessage[], options: AnswererCallOptions = {}): Promise<Answered> {
    const whole = await wholeOf(this.generate(question, options), "retrieval");
    return { ...whole, ...shown(whole.text, whole.retrieval) };
  }

  async dispose(): Promise<void> {
    this.model.dispose();
    await this.index?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

const shown = (text: string, retrieval: Retrieval) => ({
  retrieved: retrieval.used,
  documents: retrieval.documents,
  citations: citationsIn(text, retrieval.documents.length),
});

const askedOf = (
  { tokenizer }: Pick<AnswerModel<RunOptions>, "tokenizer">,
  question: string | readonly ChatMessage[],
): QuestionPrompts => (typeof question === "string" ? askedOfQuestion(tokenizer, question) : askedOfChat(question));

/** A pipeline's name and recipe in its receipts. */
export const billedAs = (model: string, { retrieval, passages }: AnswerOptions) => ({
  model: `${model}+expertrag`,
  recipe: [`expertrag:retrieval=${retrieval},passages=${passages}`],
});

/** A loaded model as this pipeline sees it. @throws UserError if it does not generate */
export function answerModelOf(model: Model): AnswerModel<RunOptions> {
  const { language } = model;
  return {
    name: model.name,
    tokenizer: language.tokenizer,
    context: language.decoder.config.context,
    count: (prompt) => language.encode(prompt).length,
    generate: (prompt, options) => model.generate(prompt, options),
    price: (lengths) => priceOfLengths(language, lengths),
  };
}

/** An index as this pipeline sees it. */
const sourceOf = (index: SearchIndex, { by }: AnswerOptions): PassageSource => ({
  name: index.name,
  search: (query, top, terms) => index.search(query, { by, top, ...terms }),
  meanTerms: () => index.meanTerms(),
});
