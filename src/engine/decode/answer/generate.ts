import { z } from "zod";
import { flagHelp } from "../../../util/named-options.ts";
import type { Tokenizer } from "../../../weights/tokenizer/index.ts";
import type { Meter } from "../../bill/meter.ts";
import type { RequestTimes } from "../../bill/stopwatch.ts";
import { diffusionOptions } from "../../diffusion/options.ts";
import type { AnswerForm } from "../channels/answer-form.ts";
import type { LazyGrammar, Trigger } from "../grammar/index.ts";
import type { Engine } from "../run/engine.ts";
import { samplingOptions } from "../sampling/options.ts";
import type { Sampled } from "../sampling/sampler.ts";
import type { CutReason } from "./cut.ts";
import { Sequence, type SequenceTerms } from "./sequence.ts";
import type { Terms } from "./terms.ts";

export const generateOptions = samplingOptions.extend({
  maxTokens: z
    .int()
    .min(1)
    .default(512)
    .describe("maximum tokens of the answer; the context also limits it")
    .register(flagHelp, { common: true, group: "Answer" }),
  stop: z
    .array(z.string().min(1))
    .default([])
    .describe("text that ends the answer and is left out of it")
    .register(flagHelp, { common: true }),
  repetitionDetection: z.boolean().default(true).describe("end an answer that repeats itself"),
  thinkingTokenBudget: z.int().min(0).optional().describe("maximum tokens of reasoning; then the model has to answer"),
  diffusion: diffusionOptions
    .optional()
    .describe("for diffusion language models: steps, block, remasking, threshold, guidance, cache, ends"),
});

/** Options with defaults applied, and the constraint on the answer, if any. */
export type GenerateOptions = z.output<typeof generateOptions> & {
  /** Constrains the answer, from its first token or after each `trigger`. */
  grammar?: LazyGrammar | undefined;
  trigger?: Trigger | undefined;
  /** The division of the answer into reasoning and text; if absent, the answer is all text. */
  form?: AnswerForm | undefined;
  /** Special tokens that belong to the answer's text, such as those around calls. */
  shown?: ReadonlySet<number> | undefined;
  /** True if the answer continues the prompt's text, so that its first word may need the space before it. */
  continues?: boolean | undefined;
  /** A token that ends the answer, in addition to the model's own. */
  end?: number | undefined;
  /** Scores the prompt's own tokens, and returns this many of the likeliest tokens for each; use a small number. */
  promptLogprobs?: number | undefined;
  /** If false, cached tokens of the prompt are ignored. */
  cachePrompt?: boolean | undefined;
  /** If true, results are bit-equal, whatever the cache holds and whichever requests run at the same time. */
  deterministic?: boolean | undefined;
  /** Called with each step's raw logits, one per vocabulary token, before a token is chosen; valid during the call. */
  observe?: ((logits: Float32Array) => void) | undefined;
};
export type GenerateInput = z.input<typeof generateOptions>;

/**
 * `stop`: the model or a stop string ended the answer; `length`: maxTokens or the context ended it; `repetition`: it
 * looped; `stopped`: a saving ended it before the next token.
 */
export type FinishReason = "stop" | "length" | "repetition" | "stopped";

/** The usage of one request, for its receipt. Times cover this request only. */
export interface Usage extends ReturnType<Meter["total"]>, RequestTimes {
  tokens: { prompt: number; cached: number; completion: number };
}

/** A piece of an answer: final text and its tokens. The last piece has the finish reason and the usage. */
export interface Piece {
  readonly text: string;
  /** Reasoning before the text, if this piece has any. */
  readonly reasoning?: string;
  /** In the last piece of an answer that may have reasoning: the number of reasoning tokens. */
  readonly reasoningTokens?: number;
  readonly tokens: readonly Sampled[];
  /** In the first piece, if `promptLogprobs` is set: the prompt's tokens that have run. */
  readonly prompt?: readonly Sampled[];
  readonly finish?: { readonly reason: FinishReason; readonly usage: Usage; readonly cut?: CutReason };
}

/**
 * Generates a continuation of `prompt`, one step per piece read, so computation stops when the reader pauses or leaves.
 * `signal` stops it within one step with an AbortError, and frees the slot.
 * @throws UserError if the prompt is empty or longer than the context
 */
export async function* generate(
  engine: Engine,
  tokenizer: Tokenizer,
  prompt: readonly number[],
  options: GenerateOptions,
  { signal, onStopped, ...terms }: Terms & SequenceTerms = {},
): AsyncGenerator<Piece> {
  using sequence = new Sequence(engine, tokenizer, prompt, options, terms);
  try {
    let piece: Piece | undefined = await sequence.prefill(signal);
    while (!piece?.finish) {
      if (piece) yield piece;
      signal?.throwIfAborted();
      piece = sequence.left > 0 ? await sequence.prefill(signal) : await step(engine, sequence);
      signal?.throwIfAborted();
    }
    yield piece;
  } finally {
    if (!sequence.ended) onStopped?.(sequence.usage());
  }
}

async function step(engine: Engine, sequence: Sequence): Promise<Piece | undefined> {
  const [stepped] = await engine.stepAll([sequence.next()]);
  return sequence.take(stepped!);
}
