import type { Prompt } from "../../engine/decode/language-model.ts";
import type { Spent } from "../../graph/index.ts";
import type { Receipt } from "../../ledger/receipt.ts";
import { patiently } from "../../retrieval/patiently.ts";
import type { SearchResult } from "../../retrieval/search.ts";
import { StoreFault } from "../../retrieval/store/store.ts";
import type { ChatMessage } from "../../weights/tokenizer/index.ts";
import { Call } from "../call.ts";
import type { ModelPiece } from "../model.ts";
import { type NamedPipeline, recipeOf } from "../pipeline.ts";
import type { CallOptions, TextRequest } from "../request.ts";
import type { Resources } from "../resources.ts";
import type { ShownPiece } from "../text-pipeline.ts";
import { AnswerBill } from "./bill.ts";
import { type Decision, decide, type Gate, type GateMethod, readsOf } from "./gate/gate.ts";
import { type AnswerModel, answerModelOf, MODEL, type PassageSource } from "./model.ts";
import { type AnswerOptions, MOST_PASSAGE_TOKENS } from "./options.ts";
import { type Begun, probe, type Start } from "./probe.ts";
import { chatPromptsOf, citationsIn, fitting, type QuestionPrompts, questionPromptsOf } from "./prompt.ts";

type ReadDocument = Pick<SearchResult, "id" | "title" | "text" | "score">;

/** The decision whether to read passages, and its reason. */
export interface Retrieval {
  readonly used: boolean;
  readonly method: GateMethod;
  /** The gate's score; null if it could not be computed, in which case passages are retrieved. */
  readonly score: number | null;
  /** The minimum score at which passages are retrieved. */
  readonly threshold: number;
  /** Milliseconds spent on the gate, including its calls, and on the search. */
  readonly ms: { readonly gate: number; readonly search: number };
  /** The documents that the answer reads, the best first; `[1]` in an answer cites the first. */
  readonly documents: readonly ReadDocument[];
  /** Set if the search found nothing that fits the model's context, so that the answer is the model's own. */
  readonly nothing_found?: true;
  /** Indices of the documents that the answer cites, from 0; known at its end. */
  readonly citations?: readonly number[];
}

/** A piece of an answer; the first piece, which is empty, and the last piece have the decision. */
export type AnswerPiece = ModelPiece & { readonly retrieval?: Retrieval };

/** The gate and settings of one answer, and the name under which it is billed. */
export interface AnswerTerms extends Pick<TextRequest, "options" | "signal" | "arrived" | "onStopped"> {
  readonly gate: Gate;
  readonly settings: Pick<AnswerOptions, "passages" | "maxContextTokens" | "by">;
  /** The pipeline's name and recipe, as receipts show them. */
  readonly named: { readonly model: string; readonly recipe: readonly string[] };
}

/** Answers a request: a text is a single question; in a chat, the last user turn is the question. */
export async function* answerRequest(
  named: NamedPipeline,
  resources: Resources,
  { prompt, ...request }: TextRequest,
  gate: Gate,
): AsyncGenerator<ShownPiece, void> {
  const model = await answerModelOf(named.name, resources, request.options.tools);
  const question =
    typeof prompt === "string"
      ? questionPromptsOf(model.tokenizer, prompt)
      : chatPromptsOf(prompt as readonly ChatMessage[]);
  const settings = named.values as AnswerOptions;
  const billed = { model: `${named.name}+${named.pipeline.name}`, recipe: [recipeOf(named)] };
  const terms = { ...request, gate, settings, named: billed };
  for await (const { retrieval, ...piece } of answer(model, resources.index, question, terms))
    yield { ...piece, role: MODEL, ...(retrieval && { shown: retrieval }) };
}

/**
 * Answers a question, with passages from an index if the gate says so (ExpertRAG, arXiv 2504.08744). The decision is
 * the first piece. A gate that reads the plain answer's first token starts the plain answer, which continues if nothing
 * is retrieved; otherwise its cost is overhead. `source` may be missing if the gate never retrieves.
 */
export async function* answer(
  model: AnswerModel,
  source: PassageSource | undefined,
  prompts: QuestionPrompts,
  terms: AnswerTerms,
): AsyncGenerator<AnswerPiece, void> {
  const run = new Run(model, source, prompts, terms);
  try {
    yield* run.pieces();
  } finally {
    await run.close();
  }
}

class Run {
  readonly #bill: AnswerBill;
  #meanTerms = 0;
  #call: Call<CallOptions> | undefined;
  #text = "";
  #done = false;

  constructor(
    private readonly model: AnswerModel,
    private readonly source: PassageSource | undefined,
    private readonly prompts: QuestionPrompts,
    private readonly terms: AnswerTerms,
  ) {
    this.#bill = new AnswerBill(terms.named, (own) => this.#priced(own), terms.arrived);
  }

  async *pieces(): AsyncGenerator<AnswerPiece, void> {
    const { gate } = this.terms;
    const started = performance.now();
    const { input, flops, begun } = await probe(this.model, this.prompts, readsOf(gate.method), this.#start);
    this.#bill.gating = flops;
    const decision = decide(gate, input);
    const decided = performance.now();
    if (!decision.retrieve) this.#meanTerms = await this.#passageTerms();
    const { documents, passages } = decision.retrieve ? await this.#retrieved() : NOTHING;
    const ms = { gate: decided - started, search: performance.now() - decided };
    const retrieval = retrievalOf(decision, documents, ms);
    yield { text: "", tokens: [], retrieval };
    yield* this.#give(decision.retrieve ? this.#second(passages) : (begun ?? this.#plain()), retrieval);
  }

  /** The mean number of terms per passage; 0 if the database is unreachable, which makes the dense price too low. */
  async #passageTerms(): Promise<number> {
    try {
      return (await this.source?.meanTerms()) ?? 0;
    } catch (error) {
      if (error instanceof StoreFault) return 0;
      throw error;
    }
  }

  /** Stops the plain answer, and searches; retries an unreachable database. */
  async #retrieved(): Promise<typeof NOTHING> {
    const { source, model, prompts, terms } = this;
    if (!source) throw new Error(`${model.name}: the gate needs an index`);
    await this.#call?.stop();
    const onStopped = (receipt: Receipt) => this.#bill.search(receipt);
    const { by, passages: top } = terms.settings;
    const searching = { by, top, ...(terms.signal && { signal: terms.signal }), onStopped };
    const { results, receipt } = await patiently(() => source.search(prompts.query, searching));
    this.#bill.search(receipt);
    const passages = fitting(model.tokenizer, results, this.#room());
    const documents = results.slice(0, passages.length);
    return { documents: documents.map(({ id, title, text, score }) => ({ id, title, text, score })), passages };
  }

  /** The maximum number of tokens in passages; half of the remaining context is reserved for the answer. */
  #room(): number {
    const { model, prompts, terms } = this;
    const free = model.context - model.count(prompts.with([]));
    return Math.min(terms.settings.maxContextTokens, Math.floor(free / 2));
  }

  readonly #start: Start = (prompt, more = {}) => {
    const { options, signal, arrived } = this.terms;
    const request = { ...options, ...more, ...(!this.#bill.begun && { arrived }) };
    this.#call = new Call<CallOptions>(this.model, prompt, request, signal, (receipt) => this.#bill.call(receipt));
    return this.#call;
  };

  #begin(prompt: Prompt): Begun {
    return { call: this.#start(prompt), pieces: [] };
  }

  #plain = (): Begun => this.#begin(this.prompts.plain);

  #second = (passages: readonly string[]): Begun =>
    passages.length === 0 ? this.#plain() : this.#begin(this.prompts.with(passages));

  /** Yields the pieces so far, then the rest as it arrives; the last piece has the receipt of all calls. */
  async *#give({ call, pieces }: Begun, retrieval: Retrieval): AsyncGenerator<AnswerPiece, void> {
    for (let at = 0; ; at++) {
      const piece = pieces[at] ?? (await call.next());
      if (!piece) throw new Error(`${this.model.name}: an answer ended without its receipt`);
      this.#text += piece.text;
      if (!piece.receipt) yield piece;
      else {
        this.#done = true;
        const citations = citationsIn(this.#text, retrieval.documents.length);
        return yield { ...piece, retrieval: { ...retrieval, citations }, receipt: this.#bill.receipt() };
      }
    }
  }

  /** The price of this answer if it had read passages, as in the dense baseline. */
  #priced({ tokens: { cached, completion } }: Receipt): Spent | undefined {
    const { model, prompts, source, terms } = this;
    if (!source) return undefined;
    const prompt = expectedPrompt(model, prompts, terms.settings, this.#meanTerms);
    return model.price({ prompt, cached, completion });
  }

  /** Ends all running calls; reports the cost of a request that was stopped, failed, or lost its reader. */
  async close(): Promise<void> {
    if (this.#done) return;
    await this.#call?.stop();
    if (this.#bill.begun) this.terms.onStopped?.(this.#bill.receipt());
  }
}

const NOTHING: { readonly documents: readonly ReadDocument[]; readonly passages: readonly string[] } = {
  documents: [],
  passages: [],
};

const retrievalOf = (
  { retrieve, method, score, threshold }: Decision,
  documents: readonly ReadDocument[],
  ms: Retrieval["ms"],
): Retrieval => ({
  used: documents.length > 0,
  ...{ method, score: Number.isNaN(score) ? null : score, threshold },
  ...{ ms, documents },
  ...(retrieve && documents.length === 0 && { nothing_found: true }),
});

/** Tokens per indexed term (no stop words): 1.96 (SmolLM2), 1.97 (Qwen2.5) on the leads of 502 Wikipedia articles. */
const TOKENS_PER_TERM = 2;

/** Estimates the prompt's tokens without a search: the requested number of passages, each of the mean length. */
function expectedPrompt(
  model: AnswerModel,
  prompts: QuestionPrompts,
  { passages, maxContextTokens }: Pick<AnswerOptions, "passages" | "maxContextTokens">,
  meanTerms: number,
): number {
  const mean = Math.round(TOKENS_PER_TERM * meanTerms);
  const each = Math.min(mean, MOST_PASSAGE_TOKENS, Math.floor(maxContextTokens / passages));
  if (each === 0) return model.count(prompts.plain);
  return model.count(prompts.with(Array.from({ length: passages }, () => filler(each))));
}

/** A text of about this many tokens. */
const filler = (tokens: number): string => Array.from({ length: tokens }, () => "the").join(" ");
