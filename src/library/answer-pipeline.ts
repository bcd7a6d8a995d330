import { z } from "zod";
import type { Retrieval as Decided } from "../pipelines/answer/answer.ts";
import { gateIn } from "../pipelines/answer/gate/find.ts";
import type { Gate } from "../pipelines/answer/gate/gate.ts";
import {
  type AnswerInput,
  type AnswerOptions,
  answerOptions,
  checkAnswerOptions,
} from "../pipelines/answer/options.ts";
import { expertrag } from "../pipelines/answer/pipeline.ts";
import { citationsIn } from "../pipelines/answer/prompt.ts";
import type { Resources } from "../pipelines/resources.ts";
import { OptionError } from "../util/errors.ts";
import type { ChatMessage } from "../weights/tokenizer/index.ts";
import { checkArgument, loadOptions, text } from "./arguments.ts";
import { load } from "./load.ts";
import type { Model } from "./model.ts";
import { openIndex } from "./open-index.ts";
import type { Chunk, Completion, LoadOptions, RunOptions } from "./options.ts";
import type { SearchIndex } from "./search-index.ts";
import { OwnResources } from "./text-pipeline.ts";
import { wholeOf } from "./whole-answer.ts";

export interface AnswererOptions extends LoadOptions {
  /** The name of an index; not needed without retrieval. */
  index?: string | undefined;
  /** The index's database, `postgres://user@host/database`; by default a folder in `MODICUM_HOME`. */
  store?: string | undefined;
  /** When to retrieve, and how much: `{ retrieval: "auto", passages: 3 }`. */
  answer?: AnswerInput | undefined;
  /** A file of calibrated gates that replaces the model's own gates. */
  calibration?: string | undefined;
}

/** The options of one answer. */
export interface AnswererCallOptions extends RunOptions {
  /** When to retrieve, for this answer; by default the pipeline's setting. */
  retrieval?: AnswerOptions["retrieval"] | undefined;
}

/** The decision whether to read passages, and its reason. */
export interface Retrieval extends Omit<Decided, "nothing_found" | "citations"> {
  /** Set if the search found nothing that fits the model's context, so that the answer is plain. */
  readonly nothingFound?: true;
}

/** A piece of an answer; the first piece, which is empty, and the last piece carry the decision. */
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
  } = checkArgument("openAnswerer's options", answererOptions, options);
  const settings = checkAnswerOptions(input);
  if (index === undefined) refuseSearch(settings);
  const { threads: _, adapter, adapters: __, ...resolving } = rest;
  const opened = index === undefined ? undefined : await openIndex(index, { ...resolving, store });
  let loaded: Model | undefined;
  try {
    loaded = await load(model, { ...rest, save, ...(quant && { quant }) });
    const own = { quant, adapter, index: opened, onNotice: rest.onNotice };
    const resources = new OwnResources({ model }, { model: loaded }, own);
    const gateOf = (each: AnswerOptions) => gateIn(resources, each, file);
    return new AnswerPipeline(loaded, opened, settings, resources, await gateOf(settings), gateOf);
  } catch (error) {
    loaded?.dispose();
    await opened?.close();
    throw error;
  }
}

/** @throws UserError unless `retrieval` is "never" */
function refuseSearch({ retrieval }: AnswerOptions): void {
  if (retrieval === "never") return;
  throw new OptionError("retrieval", `${retrieval} needs an index; name one, or choose "never"`, 2);
}

/** A loaded model and its index. Dispose of it (`await using`, or `await pipeline.dispose()`) to free both. */
export class AnswerPipeline implements AsyncDisposable {
  readonly kind = "answer";
  /** The gates, by the option `retrieval`. */
  readonly #gates = new Map<string, Promise<Gate>>();

  constructor(
    readonly model: Model,
    readonly index: SearchIndex | undefined,
    private readonly settings: AnswerOptions,
    private readonly resources: Resources,
    /** The gate for calls without a retrieval option. */
    readonly gate: Gate,
    private readonly gateOf: (settings: AnswerOptions) => Promise<Gate>,
  ) {}

  /** Streams an answer to a question, or to a chat's last turn; the decision comes first. @throws UserError */
  async *generate(
    question: string | readonly ChatMessage[],
    { retrieval = this.settings.retrieval, ...call }: AnswererCallOptions = {},
  ): AsyncGenerator<AnsweredChunk, void> {
    const { signal, onStopped, arrived = performance.now(), ...options } = call;
    const settings = { ...this.settings, retrieval: checkArgument("answer's options.retrieval", mode, retrieval) };
    const gate = await this.#gateOf(settings);
    const named = expertrag.over(this.model.name, settings);
    const request = { prompt: question, options, signal, onStopped, arrived };
    for await (const { tokens, role: _, shown, ...piece } of expertrag.answer(named, this.resources, request, gate))
      yield { ...piece, tokens: [...tokens], ...(shown !== undefined && { retrieval: retrievalOf(shown as Decided) }) };
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
    const { used: retrieved, documents } = whole.retrieval;
    return { ...whole, retrieved, documents, citations: citationsIn(whole.text, documents.length) };
  }

  async dispose(): Promise<void> {
    this.model.dispose();
    await this.index?.close();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}

const retrievalOf = ({ nothing_found, citations: _, ...decided }: Decided): Retrieval => ({
  ...decided,
  ...(nothing_found && { nothingFound: true }),
});
