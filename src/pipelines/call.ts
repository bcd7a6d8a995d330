import type { Prompt } from "../engine/decode/language-model.ts";
import type { Receipt } from "../ledger/receipt.ts";
import type { CalledModel, CallTerms, ModelPiece } from "./model.ts";

/** Maximum milliseconds to wait for a stopped call to report its cost. */
const PATIENCE = 2000;

/** One call of a model. Yields pieces on demand, and reports the cost however the call ends. */
export class Call<O extends object> {
  readonly #pieces: AsyncIterator<ModelPiece>;
  readonly #stop = new AbortController();
  #ended = false;

  constructor(
    model: Pick<CalledModel<O>, "generate">,
    prompt: Prompt,
    options: O & Pick<CallTerms, "arrived" | "observe">,
    signal: AbortSignal | undefined,
    /** Called once with the cost of the call. */
    private readonly spent: (receipt: Receipt) => void,
  ) {
    const either = signal ? AbortSignal.any([signal, this.#stop.signal]) : this.#stop.signal;
    const terms = { ...options, signal: either, onStopped: spent };
    this.#pieces = model.generate(prompt, terms)[Symbol.asyncIterator]();
  }

  /** The next piece; undefined after the last. */
  async next(): Promise<ModelPiece | undefined> {
    if (this.#ended) return undefined;
    const { value, done } = await this.#pieces.next();
    if (done) {
      this.#ended = true;
      return undefined;
    }
    if (value.receipt) {
      this.#ended = true;
      this.spent(value.receipt);
      // Lets the model's call free its resources.
      await this.#pieces.return?.();
    }
    return value;
  }

  /** Like `next`; fails if no piece arrives within `limit` milliseconds. */
  async within(limit: number | undefined): Promise<ModelPiece | undefined> {
    if (limit === undefined) return this.next();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_, fail) => {
      timer = setTimeout(() => fail(new Error(`no answer within ${limit / 1000} s`)), limit);
    });
    try {
      return await Promise.race([this.next(), late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Stops the call within a step. Returns once its cost is reported, or after a time limit. */
  async stop(): Promise<void> {
    if (this.#ended) return;
    this.#stop.abort();
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, PATIENCE);
    });
    await Promise.race([this.#drain(), late]);
    clearTimeout(timer);
  }

  /** Reads a stopped call to its end: a model that runs ahead of its reader may already have yielded its receipt. */
  async #drain(): Promise<void> {
    try {
      while (await this.next());
    } catch {
      // The call failed because it was stopped.
    }
    this.#ended = true;
  }
}
