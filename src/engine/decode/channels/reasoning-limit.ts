import type { Tokenizer } from "../../../weights/tokenizer/index.ts";
import type { Hold } from "../grammar/constraint.ts";
import { type AnswerForm, advance, type PartReader } from "./answer-form.ts";

interface Terms {
  readonly form: AnswerForm;
  readonly tokenizer: Tokenizer;
  /** The number of reasoning tokens after which the text must begin. */
  readonly budget: number;
  /** Tokens that end the reasoning and begin the text. */
  readonly closing: readonly number[];
}

interface State {
  readonly reader: PartReader;
  readonly reasoningTokens: number;
  /** The number of closing tokens so far. */
  readonly closed: number;
}

/**
 * Ends an answer's reasoning after a number of tokens, with the closing tokens (vLLM's `thinking_token_budget`).
 * `inner` constrains the rest of the answer.
 */
export class ReasoningLimit implements Hold {
  #state: State;

  constructor(
    private readonly terms: Terms,
    private readonly inner: Hold | undefined,
    state?: State,
  ) {
    this.#state = state ?? { reader: terms.form.reader(), reasoningTokens: 0, closed: 0 };
  }

  restrict(logits: Float32Array): void {
    const token = this.#forced;
    if (token === undefined) {
      this.inner?.restrict(logits);
      return;
    }
    const logit = logits[token]!;
    logits.fill(Number.NEGATIVE_INFINITY);
    logits[token] = Number.isFinite(logit) ? logit : 0;
  }

  accept(token: number): void {
    const { form, tokenizer, closing } = this.terms;
    const { reader, reasoningTokens, closed } = this.#state;
    const isForced = this.#forced !== undefined;
    const isReasoning = reader.place === "reasoning";
    advance(reader, form, tokenizer, token);
    this.#state = {
      reader,
      reasoningTokens: reasoningTokens + Number(isReasoning),
      closed: isForced ? (closed + 1) % closing.length : 0,
    };
    this.inner?.accept(token);
  }

  get complete(): boolean {
    return this.inner?.complete === true;
  }

  fork(): ReasoningLimit {
    return new ReasoningLimit(this.terms, this.inner?.fork(), { ...this.#state, reader: this.#state.reader.fork() });
  }

  /** The only token allowed next; undefined if the reasoning may continue or is over. */
  get #forced(): number | undefined {
    const { budget, closing } = this.terms;
    const { reader, reasoningTokens, closed } = this.#state;
    const isOver = closed > 0 || (reader.place === "reasoning" && reasoningTokens >= budget);
    return isOver ? closing[closed] : undefined;
  }
}
