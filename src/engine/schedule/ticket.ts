import { ReadableStream, type ReadableStreamDefaultController } from "node:stream/web";
import type { RequestFacts } from "../../savings/auto/guarantee.ts";
import type { VisualSpan } from "../../savings/plan.ts";
import { Stopwatch } from "../bill/stopwatch.ts";
import type { GenerateOptions, Piece } from "../decode/answer/generate.ts";
import type { Sequence, SequenceTerms } from "../decode/answer/sequence.ts";
import type { Terms } from "../decode/answer/terms.ts";
import type { LazyGrammar } from "../decode/grammar/index.ts";
import type { Engine } from "../decode/run/engine.ts";

/** A prompt, as ids, with its options. */
export interface Request extends Omit<SequenceTerms, "ceiling"> {
  readonly prompt: readonly number[];
  readonly options: GenerateOptions;
  /** The prompt's images, for its plan. */
  readonly visual?: readonly VisualSpan[] | undefined;
  /** The facts that a certificate depends on. */
  readonly facts?: RequestFacts | undefined;
  /** The engine that runs the request instead of the model's own: an adapter's engine. */
  readonly engine?: Engine | undefined;
}

/** The part of a request that the scheduler runs: the rest of its prompt, then its steps. */
export type Work = Pick<Sequence, "left" | "chunks" | "advance" | "next" | "take" | "cut" | "usage"> & Disposable;

/** A request to generate. */
export interface Job extends Request, Terms {}

/** A prompt that runs for a result other than an answer, such as scores. */
export interface CustomJob extends Terms {
  readonly prompt: readonly number[];
  readonly engine: Engine;
  /** Starts the job, once it has a row. */
  begin(time: Stopwatch): Work;
}

/** True if a request may use the cache: its prompt is neither scored nor required to run whole. */
export const mayReuse = ({ promptLogprobs, cachePrompt }: GenerateOptions): boolean =>
  promptLogprobs === undefined && cachePrompt !== false;

/** A job in the scheduler: its place in the order, the stream of its answer, and its sequence once it has a row. */
export class Ticket {
  readonly stream: ReadableStream<Piece>;
  readonly key: string;
  readonly time: Stopwatch;
  sequence: Work | undefined;
  /** The prompt's place in the order: the lowest number runs first. */
  due = 0;
  began = 0;
  #answer!: ReadableStreamDefaultController<Piece>;
  #abandoned = false;

  constructor(
    readonly job: Job | CustomJob,
    readonly engine: Engine,
  ) {
    this.key = job.key ?? "";
    this.time = job.time ?? new Stopwatch();
    this.time.enter("queue");
    this.stream = new ReadableStream<Piece>({
      start: (controller) => {
        this.#answer = controller;
      },
      cancel: () => {
        this.#abandoned = true;
      },
    });
  }

  /** The answer's grammar, if any. */
  get grammar(): LazyGrammar | undefined {
    return "options" in this.job ? this.job.options.grammar : undefined;
  }

  /** The key of the state that the job's plan leaves for the prompt; undefined if it is never reused. */
  get stateKey(): string | undefined {
    return "options" in this.job && this.job.plan ? this.job.plan.state.prompt : "";
  }

  /** Tokens that a cache may supply. */
  get reuses(): readonly number[] {
    return "options" in this.job && !mayReuse(this.job.options) ? [] : this.job.prompt;
  }

  /** The reason to stop the request: its signal's reason, or that its reader left. */
  get stopped(): unknown {
    const { signal } = this.job;
    if (signal?.aborted) return signal.reason;
    return this.#abandoned ? new DOMException("the answer's reader left", "AbortError") : undefined;
  }

  give(piece: Piece): void {
    if (this.#abandoned) return;
    this.#answer.enqueue(piece);
    if (piece.finish) this.#answer.close();
  }

  fail(error: unknown): void {
    if (!this.#abandoned) this.#answer.error(error);
  }
}
