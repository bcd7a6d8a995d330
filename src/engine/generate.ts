import { z } from "zod";
import { UserError } from "../util/errors.ts";
import { StopStrings, type Tokenizer, TokenStream } from "../weights/tokenizer/index.ts";
import type { Engine } from "./engine.ts";
import { Meter } from "./meter.ts";
import { samplingOptions } from "./sampling/options.ts";
import { type Sampled, Sampler } from "./sampling/sampler.ts";

export const generateOptions = samplingOptions.extend({
  maxTokens: z.int().min(1).default(512).describe("most tokens to generate; the context's end also ends an answer"),
  stop: z.array(z.string().min(1)).default([]).describe("texts that end the answer; they are not part of it"),
});

/** Options with defaults filled in. */
export type GenerateOptions = z.output<typeof generateOptions>;
export type GenerateInput = z.input<typeof generateOptions>;

/** `stop`: the model or a stop string ended it; `length`: maxTokens or the context did. */
export type FinishReason = "stop" | "length";

/** What one request used, for its receipt. Milliseconds are of this request alone. */
export interface Usage extends ReturnType<Meter["total"]> {
  tokens: { prompt: number; cached: number; completion: number };
  ms: { prefill: number; decode: number; total: number };
}

/** A piece of an answer: text that is certain, the tokens behind it; the last one says why it ended and what it used. */
export interface Piece {
  readonly text: string;
  readonly tokens: readonly Sampled[];
  readonly finish?: { readonly reason: FinishReason; readonly usage: Usage };
}

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

/**
 * Generates after `prompt`, piece by piece. `signal` stops it within one step with an AbortError, and the slot is free again.
 * @throws UserError when the prompt is empty or longer than the context.
 */
export async function* generate(
  engine: Engine,
  tokenizer: Tokenizer,
  prompt: readonly number[],
  options: GenerateOptions,
  signal?: AbortSignal,
): AsyncGenerator<Piece> {
  const { context } = engine.programs.decoder.config;
  checkLength(prompt.length, context);
  const started = performance.now();
  const meter = new Meter(engine.programs);
  const slot = engine.acquire(prompt);
  const cached = slot.tokens.length;
  try {
    const sampler = new Sampler(options, prompt);
    const text = new AnswerText(tokenizer, options.stop);
    let logits = await engine.prefill(slot, prompt, meter, signal);
    const prefilled = performance.now();
    const end = Math.min(options.maxTokens, context - prompt.length);
    for (let completion = 1; ; completion++) {
      const token = sampler.sample(logits);
      const ended = tokenizer.stopIds.has(token.id);
      const shown = ended ? "" : text.push(token.id);
      const reason = ended || text.stopped ? "stop" : completion >= end ? "length" : undefined;
      if (reason) {
        const now = performance.now();
        const ms = { prefill: prefilled - started, decode: now - prefilled, total: now - started };
        const usage = { ...meter.total(), tokens: { prompt: prompt.length, cached, completion }, ms };
        yield { text: shown + text.flush(), tokens: [token], finish: { reason, usage } };
        return;
      }
      yield { text: shown, tokens: [token] };
      signal?.throwIfAborted();
      sampler.accept(token.id);
      logits = await engine.step(slot, token.id, meter);
      signal?.throwIfAborted();
    }
  } finally {
    engine.release(slot);
  }
}

function checkLength(prompt: number, context: number): void {
  if (prompt === 0) throw new UserError("the prompt is empty, expected at least one token");
  if (prompt >= context)
    throw new UserError(
      `the prompt has ${prompt} tokens, and the model's context is ${context}, of which an answer needs at least one`,
    );
}
