import { UserError } from "../util/errors.ts";
import { StopStrings, type Tokenizer, TokenStream } from "../weights/tokenizer/index.ts";
import type { Engine, Step } from "./engine.ts";
import type { FinishReason, GenerateOptions, Piece } from "./generate.ts";
import { Meter } from "./meter.ts";
import { Sampler } from "./sampling/sampler.ts";
import type { Slot } from "./slot.ts";

/** Text from tokens as they come, and whether a stop string ended it. */
class AnswerText {
  readonly #stream: TokenStream;
  readonly #stops: StopStrings;

  constructor(tokenizer: Tokenizer, stop: readonly string[]) {
    this.#stream = new TokenStream(tokenizer);
    this.#stops = new StopStrings(stop);
  }

  push = (id: number): string => this.#stops.push(this.#stream.push(id));
  flush = (): string => this.#stops.push(this.#stream.flush()) + this.#stops.flush();
  get stopped(): boolean {
    return this.#stops.matched !== undefined;
  }
}

/** One request under way: its slot, until it is disposed of, and its own sampler, text and bill. */
export class Sequence implements Disposable {
  readonly slot: Slot;
  readonly #meter: Meter;
  readonly #sampler: Sampler;
  readonly #text: AnswerText;
  readonly #cached: number;
  /** Tokens that it may have at most. */
  readonly #end: number;
  readonly #started = performance.now();
  #prefilled = 0;
  #completion = 0;
  #last = 0;

  /** @throws UserError when the prompt is empty or longer than the context. */
  constructor(
    private readonly engine: Engine,
    private readonly tokenizer: Tokenizer,
    private readonly prompt: readonly number[],
    options: GenerateOptions,
  ) {
    const { context } = engine.programs.decoder.config;
    checkLength(prompt.length, context);
    this.#end = Math.min(options.maxTokens, context - prompt.length);
    this.#meter = new Meter(engine.programs);
    this.#sampler = new Sampler(options, prompt);
    this.#text = new AnswerText(tokenizer, options.stop);
    this.slot = engine.acquire(prompt);
    this.#cached = this.slot.tokens.length;
  }

  /** Runs the prompt; the first piece of the answer. */
  async prefill(signal?: AbortSignal): Promise<Piece> {
    const logits = await this.engine.prefill(this.slot, this.prompt, this.#meter, signal);
    this.#prefilled = performance.now();
    return this.take(logits);
  }

  /** Its part in the next decode step, after a piece that was not the last. */
  next(): Step {
    return { slot: this.slot, token: this.#last, meter: this.#meter };
  }

  /** Chooses a token from the logits of the last step. */
  take(logits: Float32Array): Piece {
    const token = this.#sampler.sample(logits);
    this.#completion++;
    const ended = this.tokenizer.stopIds.has(token.id);
    const text = ended ? "" : this.#text.push(token.id);
    const reason = this.#reason(ended);
    if (reason) return { text: text + this.#text.flush(), tokens: [token], finish: { reason, usage: this.#usage() } };
    this.#sampler.accept(token.id);
    this.#last = token.id;
    return { text, tokens: [token] };
  }

  #reason(ended: boolean): FinishReason | undefined {
    if (ended || this.#text.stopped) return "stop";
    return this.#completion >= this.#end ? "length" : undefined;
  }

  #usage() {
    const now = performance.now();
    const ms = { prefill: this.#prefilled - this.#started, decode: now - this.#prefilled, total: now - this.#started };
    const tokens = { prompt: this.prompt.length, cached: this.#cached, completion: this.#completion };
    return { ...this.#meter.total(), tokens, ms };
  }

  [Symbol.dispose](): void {
    this.engine.release(this.slot);
  }
}

/** @throws UserError when the prompt is empty or longer than the context. */
export function checkLength(prompt: number, context: number): void {
  if (prompt === 0) throw new UserError("the prompt is empty, expected at least one token");
  if (prompt >= context)
    throw new UserError(
      `the prompt has ${prompt} tokens, and the model's context is ${context}, of which an answer needs at least one`,
    );
}
