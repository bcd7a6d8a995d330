import type { GateInput } from "../pipelines/answer/gate/features.ts";
import { ALWAYS, type GateMethod, NEVER, readsOf } from "../pipelines/answer/gate/gate.ts";
import { rarityOf } from "../pipelines/answer/gate/rarity.ts";
import { reflectionOf, type Signals, signalsOf } from "../pipelines/answer/gate/signals.ts";
import type { AnswerOptions } from "../pipelines/answer/options.ts";
import { reflectionPrompt, reflectionTokens } from "../pipelines/answer/reflection.ts";
import { type Answered, AnswerPipeline } from "./answer-pipeline.ts";
import type { Model } from "./model.ts";
import type { Completion } from "./options.ts";
import type { SearchIndex } from "./search-index.ts";

export interface BothAnswers {
  readonly plain: Answered;
  readonly retrieved: Answered;
  /** What gates read of the question. */
  readonly input: GateInput;
  /** The call that self-reflection takes, if a gate reads it. */
  readonly reflection?: Completion;
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
    const reads = methods.flatMap(readsOf);
    const reflected = reads.includes("reflection") ? await this.#reflected(question, terms) : undefined;
    const input = { question, signals, rarity: this.#rarity(question), reflection: reflected?.ratio };
    return { plain, retrieved, input, ...(reflected && { reflection: reflected.completion }) };
  }

  #rarity(question: string) {
    const { tokenizer } = this.model.language;
    return rarityOf(question, { encode: (text) => tokenizer.encode(text), size: tokenizer.vocabSize });
  }

  async #reflected(question: string, terms: { readonly temperature: number }) {
    const { tokenizer } = this.model.language;
    const { yes, no } = reflectionTokens(tokenizer);
    let ratio = Number.NaN;
    const observe = (logits: Float32Array) => {
      ratio = reflectionOf(logits, yes, no);
    };
    const prompt = reflectionPrompt(tokenizer, question);
    return { completion: await this.model.complete(prompt, { ...terms, maxTokens: 1, observe }), ratio };
  }
}
