import type { Prompt } from "../engine/decode/language-model.ts";
import type { Receipt } from "../ledger/receipt.ts";
import type { GateInput } from "../pipelines/answer/gate/features.ts";
import { ALWAYS, type GateMethod, NEVER, readsOf } from "../pipelines/answer/gate/gate.ts";
import { type Signals, signalsOf } from "../pipelines/answer/gate/signals.ts";
import type { AnswerOptions } from "../pipelines/answer/options.ts";
import { probe } from "../pipelines/answer/probe.ts";
import { askedOfQuestion } from "../pipelines/answer/prompt.ts";
import { Call } from "../pipelines/call.ts";
import { type Answered, AnswerPipeline, answerModelOf } from "./answer-pipeline.ts";
import type { Model } from "./model.ts";
import type { RunOptions } from "./options.ts";
import type { SearchIndex } from "./search-index.ts";

export interface BothAnswers {
  readonly plain: Answered;
  readonly retrieved: Answered;
  /** The parts of the question that gates read. */
  readonly input: GateInput;
  /** The cost of the call that self-reflection takes, if a gate reads it. */
  readonly reflection?: Receipt;
}

interface BranchTerms {
  readonly maxTokens: number;
  readonly signal?: AbortSignal | undefined;
}

/** Answers questions with passages and without, so that all gates can be judged on the same answers. */
export class AnswerBranches {
  readonly #always: AnswerPipeline;
  readonly #never: AnswerPipeline;

  constructor(
    private readonly model: Model,
    index: SearchIndex,
    settings: AnswerOptions,
  ) {
    this.#always = new AnswerPipeline(model, index, settings, ALWAYS);
    this.#never = new AnswerPipeline(model, index, settings, NEVER);
  }

  /** The likeliest tokens are taken. */
  async answers(
    question: string,
    methods: readonly GateMethod[],
    { maxTokens, signal }: BranchTerms,
  ): Promise<BothAnswers> {
    const terms = { maxTokens, temperature: 0, ...(signal && { signal }) };
    let signals: Signals | undefined;
    const observe = (logits: Float32Array) => {
      signals ??= signalsOf(logits);
    };
    const plain = await this.#never.answer(question, { ...terms, observe });
    const retrieved = await this.#always.answer(question, terms);
    const receipts: Receipt[] = [];
    const { input } = await this.#probed(question, methods, terms, (receipt) => receipts.push(receipt));
    const [reflection] = receipts;
    return { plain, retrieved, input: { ...input, signals }, ...(reflection && { reflection }) };
  }

  /** Signals come from the plain answer. */
  #probed(
    question: string,
    methods: readonly GateMethod[],
    terms: Omit<RunOptions, "observe">,
    onReceipt: (receipt: Receipt) => void,
  ) {
    const model = answerModelOf(this.model);
    const reads = methods.flatMap(readsOf).filter((part) => part !== "signals");
    const start = (prompt: Prompt, more = {}) =>
      new Call<RunOptions>(model, prompt, { ...terms, ...more }, terms.signal, onReceipt);
    return probe(model, askedOfQuestion(model.tokenizer, question), reads, start);
  }
}
