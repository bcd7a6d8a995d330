import type { Receipt } from "../../ledger/receipt.ts";
import { Call } from "../call.ts";
import type { CallOptions } from "../request.ts";
import type { Resources } from "../resources.ts";
import { answer, type Retrieval } from "./answer.ts";
import type { GateInput } from "./gate/features.ts";
import { ALWAYS, type Gate, type GateMethod, NEVER, readsOf } from "./gate/gate.ts";
import { type Signals, signalsOf } from "./gate/signals.ts";
import { type AnswerModel, answerModelOf } from "./model.ts";
import type { AnswerOptions } from "./options.ts";
import { probe, type Start } from "./probe.ts";
import { questionPromptsOf } from "./prompt.ts";

interface Branch extends Pick<Retrieval, "documents"> {
  readonly text: string;
  readonly receipt: Receipt;
}

interface BothAnswers {
  readonly plain: Branch;
  readonly retrieved: Branch;
  /** The gate inputs for this question. */
  readonly input: GateInput;
  /** The cost of the self-reflection call, if a gate reads it. */
  readonly reflection?: Receipt;
}

interface BranchTerms {
  readonly maxTokens: number;
  readonly signal?: AbortSignal | undefined;
}

/** Answers questions with and without passages, so that all gates can be judged on the same answers. */
export class AnswerBranches {
  constructor(
    /** The model's name in receipts. */
    private readonly name: string,
    private readonly resources: Resources,
    private readonly settings: AnswerOptions,
  ) {}

  /** Answers a question both ways, with greedy decoding. */
  async answers(
    question: string,
    methods: readonly GateMethod[],
    { maxTokens, signal }: BranchTerms,
  ): Promise<BothAnswers> {
    const model = await answerModelOf(this.name, this.resources);
    const terms = { maxTokens, temperature: 0, ...(signal && { signal }) };
    let signals: Signals | undefined;
    const observe = (logits: Float32Array) => {
      signals ??= signalsOf(logits);
    };
    const plain = await this.#branch(model, question, NEVER, { ...terms, observe });
    const retrieved = await this.#branch(model, question, ALWAYS, terms);
    const receipts: Receipt[] = [];
    // Signals come from the plain answer.
    const reads = methods.flatMap(readsOf).filter((part) => part !== "signals");
    const start: Start = (prompt, more = {}) =>
      new Call<CallOptions>(model, prompt, { ...terms, ...more }, signal, (receipt) => receipts.push(receipt));
    const { input } = await probe(model, questionPromptsOf(model.tokenizer, question), reads, start);
    const [reflection] = receipts;
    return { plain, retrieved, input: { ...input, signals }, ...(reflection && { reflection }) };
  }

  async #branch(
    model: AnswerModel,
    question: string,
    gate: Gate,
    { signal, ...options }: CallOptions,
  ): Promise<Branch> {
    const { resources, settings } = this;
    const terms = { gate, settings, options, signal, named: { model: model.name, recipe: [] } };
    let text = "";
    for await (const piece of answer(model, resources.index, questionPromptsOf(model.tokenizer, question), terms)) {
      text += piece.text;
      const { receipt, retrieval } = piece;
      if (receipt && retrieval) return { text, receipt, documents: retrieval.documents };
    }
    throw new Error(`${model.name}: an answer ended without its receipt`);
  }
}
