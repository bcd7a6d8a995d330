import { addSpent, type Spent } from "../../../graph/index.ts";
import { UserError } from "../../../util/errors.ts";
import type { Input } from "../../../weights/tokenizer/index.ts";
import { priceOfTexts } from "../../bill/price.ts";
import type { Stopwatch } from "../../bill/stopwatch.ts";
import { FairQueue, type Turns } from "../../schedule/fair-queue.ts";
import { Pace } from "../../schedule/pace.ts";
import { type Refusal, Refused } from "../../schedule/refused.ts";
import { nextBatch } from "./encoder-batches.ts";
import type { RowRunner } from "./encoder-runner.ts";

/** The cost of the texts that were run, each with its share of its batch's cost, and their number of tokens. */
export interface EncodingCost extends Spent {
  tokens: number;
}

/** The terms of a call. */
export interface EncodeTerms {
  /** The call's owner; owners share the queue equally. */
  readonly key?: string | undefined;
  /** Stops the call before the next batch, with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
  /** The request's arrival, as a timestamp of `performance.now()`; the time of the call if absent. */
  readonly arrived?: number | undefined;
  /** A timestamp of `performance.now()`: texts that have not run by then are refused. */
  readonly deadline?: number | undefined;
  /** Called when the call's first texts run. */
  readonly onBegun?: (() => void) | undefined;
}

/** Times the wait in the queue, which ends when the returned `onBegun` is called. */
export function queued({ onBegun, ...terms }: EncodeTerms, time: Stopwatch): EncodeTerms {
  time.enter("queue");
  const begun = () => {
    time.enter("prefill");
    onBegun?.();
  };
  return { ...terms, onBegun: begun };
}

/** The texts of one call: the unfinished ones, longest first, and the rows of the finished ones. */
class Call {
  readonly key: string;
  readonly rows: Float32Array[] = [];
  readonly done: Promise<void>;
  readonly remaining: number[];
  /** The number of texts in running batches. */
  #running = 0;
  #begun = false;
  #fault: { error: unknown } | undefined;
  #resolve!: () => void;
  #reject!: (error: unknown) => void;

  constructor(
    readonly inputs: readonly Input[],
    readonly bill: EncodingCost,
    readonly terms: EncodeTerms,
  ) {
    this.key = terms.key ?? "";
    this.remaining = inputs.map((_, i) => i).sort((a, b) => this.#length(b) - this.#length(a));
    this.done = new Promise((resolve, reject) => {
      [this.#resolve, this.#reject] = [resolve, reject];
    });
  }

  get lengths(): number[] {
    return this.remaining.map((text) => this.#length(text));
  }

  /** True if any of the call's texts is in a batch. */
  get running(): boolean {
    return this.#running > 0;
  }

  /** Removes waiting texts, to run them. */
  take(from: number, count: number): number[] {
    if (!this.#begun && count > 0) this.terms.onBegun?.();
    this.#begun ||= count > 0;
    this.#running += count;
    return this.remaining.splice(from, count);
  }

  give(text: number, row: Float32Array, share: Spent): void {
    this.rows[text] = row;
    addSpent(this.bill, share);
    this.bill.tokens += this.#length(text);
    this.#running--;
    this.#settle();
  }

  /** Stops the call, which ends once its running texts are billed. `lost`: how many of its texts failed in a batch. */
  fail(error: unknown, lost = 0): void {
    this.#fault ??= { error };
    this.remaining.length = 0;
    this.#running -= lost;
    this.#settle();
  }

  #settle(): void {
    if (this.remaining.length + this.#running > 0) return;
    if (this.#fault) this.#reject(this.#fault.error);
    else this.#resolve();
  }

  #length(text: number): number {
    return this.inputs[text]!.ids.length;
  }
}

/**
 * Runs the texts of many calls together, in batches of about equal length, and several batches in parallel if there are
 * many texts. Keys take turns, and so do the calls of one key; in each turn, a call's longest waiting text runs.
 */
export class EncoderQueue implements Turns, Disposable {
  /** Calls that wait for a batch. */
  readonly #calls = new FairQueue<Call>();
  /** Unanswered calls. */
  readonly #open = new Set<Call>();
  /** Running lanes; each stops when it finds no work. */
  readonly #lanes = new Map<number, Promise<void>>();
  /** The maximum number of waiting calls; further ones are refused. */
  limit = Number.POSITIVE_INFINITY;
  /** The time at which all waiting calls are ended; undefined until `close` is called. */
  #closes: number | undefined;
  #disposed = false;
  /** The number of running batches. */
  #busy = 0;
  /** Records how fast batches run. */
  readonly #pace = new Pace();

  constructor(private readonly runner: RowRunner) {}

  get waiting(): number {
    return this.#open.size - this.running;
  }

  get running(): number {
    return [...this.#open].filter(({ running }) => running).length;
  }

  /**
   * Returns one row of outputs for each text, in order. The cost is added to `bill`, even if the call is stopped.
   * @throws Refused if there is no room
   */
  async read(inputs: readonly Input[], bill: EncodingCost, terms: EncodeTerms): Promise<Float32Array[]> {
    terms.signal?.throwIfAborted();
    if (this.#closes !== undefined) throw this.#refused("closing");
    const call = new Call(inputs, bill, terms);
    if (inputs.length === 0) return [];
    const dropped = this.#calls.add(call, this.limit);
    if (dropped === call) throw this.#refused("full");
    dropped?.fail(this.#refused("full"));
    this.#open.add(call);
    this.#wake();
    await call.done.finally(() => this.#open.delete(call));
    return call.rows;
  }

  /** The cost of these texts in separate batches. */
  price(inputs: readonly Input[]): Spent {
    return priceOfTexts(
      this.runner.cost,
      inputs.map(({ ids }) => ids.length),
    );
  }

  async close(limit: number): Promise<void> {
    this.#closes = Math.min(this.#closes ?? Number.POSITIVE_INFINITY, performance.now() + limit);
    await Promise.all(this.#lanes.values());
  }

  #wake(): void {
    for (let lane = 0; lane < this.runner.lanes; lane++)
      if (!this.#lanes.has(lane)) this.#lanes.set(lane, this.#work(lane));
  }

  async #work(lane: number): Promise<void> {
    // Waits for calls that arrive in the same tick, so that they run together.
    await Promise.resolve();
    for (;;) {
      this.#sweep(performance.now());
      const first = this.#calls.next(() => 0);
      if (!first) break;
      await this.#batch(first, lane);
    }
    this.#lanes.delete(lane);
    if (this.#disposed && this.#lanes.size === 0) this.runner[Symbol.dispose]();
  }

  /** Ends stopped calls, and all calls once time is up. */
  #sweep(now: number): void {
    const over = now >= (this.#closes ?? Number.POSITIVE_INFINITY);
    for (const call of this.#calls) {
      if (this.#disposed) this.#fail(call, new UserError("a model was used after it was disposed"));
      else if (call.terms.signal?.aborted) this.#fail(call, call.terms.signal.reason);
      else if (now >= (call.terms.deadline ?? Number.POSITIVE_INFINITY)) this.#fail(call, this.#refused("deadline"));
      else if (over) this.#fail(call, this.#refused("closing"));
    }
  }

  async #batch(first: Call, lane: number): Promise<void> {
    const calls = [first, ...[...this.#calls].filter((call) => call !== first)];
    const { tokens, parts } = nextBatch(calls.map(({ lengths }) => lengths));
    const texts = parts.flatMap(({ from, count }, i) =>
      calls[i]!.take(from, count).map((text) => ({ call: calls[i]!, text })),
    );
    for (const call of calls) if (call.remaining.length === 0) this.#calls.remove(call);
    // A call with texts left moves behind all other calls.
    if (first.remaining.length > 0) {
      this.#calls.serve(first);
      this.#calls.add(first, Number.POSITIVE_INFINITY);
    }
    await this.#runTexts(texts, tokens, lane);
  }

  async #runTexts(texts: readonly { call: Call; text: number }[], tokens: number, lane: number): Promise<void> {
    const started = performance.now();
    const alone = this.#calls.size === 0 && this.#busy === 0;
    this.#busy++;
    try {
      const inputs = texts.map(({ call, text }) => call.inputs[text]!);
      const { rows, shares } = await this.runner.run(inputs, tokens, lane, alone);
      for (const [i, { call, text }] of texts.entries()) call.give(text, rows[i]!, shares[i]!);
    } catch (error) {
      for (const { call } of texts) this.#fail(call, error, 1);
    } finally {
      this.#busy--;
    }
    this.#pace.note(performance.now() - started);
  }

  #fail(call: Call, error: unknown, lost = 0): void {
    this.#calls.remove(call);
    call.fail(error, lost);
  }

  #refused(reason: Refusal): Refused {
    return new Refused(reason, this.#pace.secondsFor(this.#calls.size + 1, this.runner.lanes));
  }

  /** Running calls fail; then everything is freed. */
  [Symbol.dispose](): void {
    this.#disposed = true;
    if (this.#lanes.size === 0) this.runner[Symbol.dispose]();
  }
}
