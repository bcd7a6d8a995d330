import { Meter } from "../../bill/meter.ts";
import type { Stopwatch } from "../../bill/stopwatch.ts";
import type { Work } from "../../schedule/ticket.ts";
import type { CutReason } from "../answer/cut.ts";
import type { Piece, Usage } from "../answer/generate.ts";
import { PREFILL_CHUNK } from "../run/chunk.ts";
import type { Engine } from "../run/engine.ts";
import { commonPrefix } from "../state/cached.ts";
import type { Slot } from "../state/slot.ts";
import type { Continuations, Likelihoods, TokenScore } from "./likelihood.ts";

/**
 * Scores the continuations of many contexts in one row of a scheduler, one run of the stack at a time. A prefix that a
 * context shares with the previous context does not run again; the first context is compared with the cache.
 */
export class ScoringJob implements Work {
  /** Scores so far, by context, continuation and token. */
  readonly found: TokenScore[][][] = [];
  readonly #slot: Slot;
  readonly #meter: Meter;
  readonly #runs: AsyncGenerator<void, void>;
  /** The number of leading tokens that all contexts share; they stay in the cache at the end. */
  readonly #shared: number;

  constructor(
    private readonly engine: Engine,
    private readonly likelihoods: Likelihoods,
    private readonly requests: readonly Continuations[],
    private readonly time: Stopwatch,
  ) {
    time.enter("prefill");
    const { context } = requests[0]!;
    this.#shared = Math.min(...requests.map((other) => commonPrefix(other.context, context)));
    this.#meter = new Meter(engine.programs);
    this.#slot = likelihoods.acquire(context);
    this.#runs = this.#all();
  }

  async *#all(): AsyncGenerator<void, void> {
    for (const one of this.requests) {
      this.found.push(yield* this.likelihoods.ofContext(this.#slot, one, this.#meter));
      yield;
    }
  }

  get #ended(): boolean {
    return this.found.length === this.requests.length;
  }

  /** The number of tokens still to run; at least 1, because 0 means decoding, which this job never does. */
  get left(): number {
    const [now, ...later] = this.requests.slice(this.found.length);
    const here = Math.max(0, (now?.context.length ?? 0) - this.#slot.tokens.length);
    return later.reduce((sum, { context }) => sum + context.length - this.#shared, Math.max(1, here));
  }

  get chunks(): number {
    return this.left / PREFILL_CHUNK;
  }

  async advance(): Promise<Piece | undefined> {
    await this.#runs.next();
    return this.#ended ? this.#last("stop") : undefined;
  }

  cut(cut: CutReason): Piece {
    return this.#last("length", cut);
  }

  #last(reason: "stop" | "length", cut?: CutReason): Piece {
    return { text: "", tokens: [], finish: { reason, usage: this.usage(), ...(cut && { cut }) } };
  }

  next(): never {
    throw new Error("a scoring job takes no steps");
  }

  take(): never {
    throw new Error("a scoring job takes no steps");
  }

  /** Everything that the job read counts as its prompt, most of which may come from the cache. */
  usage(): Usage {
    const whole = this.requests.slice(0, this.found.length).reduce((sum, one) => sum + read(one), 0);
    const prompt = whole + (this.#ended ? 0 : this.#slot.tokens.length);
    const tokens = { prompt, cached: Math.max(0, prompt - this.#meter.tokens), completion: 0 };
    return { ...this.#meter.total(), tokens, ...this.time.total() };
  }

  [Symbol.dispose](): void {
    void this.#runs.return();
    this.#slot.truncate(Math.min(this.#shared, this.#slot.tokens.length));
    this.engine.release(this.#slot);
  }
}

/** The number of tokens read for a context; the last token of a continuation is predicted, not read. */
const read = ({ context, continuations }: Continuations): number =>
  continuations.reduce((sum, { length }) => sum + length - 1, context.length);
