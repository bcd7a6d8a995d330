import type { LanguageModel } from "../../decode/language-model.ts";
import type { Pair } from "../../decode/score/likelihood.ts";

/** The part of a tokenizer that turns text into ids. */
export interface Encoder {
  /** Encodes a text with the tokens that the tokenizer puts before it, if any. */
  encode(text: string): number[];
  /** The token before a text without context: the token that begins texts, else the token that ends texts. */
  readonly start: number;
}

/** A language model's encoder, for plain texts. */
export const encoderOf = (model: LanguageModel): Encoder => ({
  encode: (text) => model.encode(text, true),
  start: model.tokenizer.bos ?? model.tokenizer.eos ?? 0,
});

/** A text and its continuation; the space or line break between them belongs to the continuation. */
interface Continuation {
  readonly context: string;
  readonly continuation: string;
}

/**
 * Encodes a continuation by lm-evaluation-harness's convention: spaces at the end of the context move to the
 * continuation, whose tokens are the joint text's tokens after the context.
 */
export function encodePair({ encode, start }: Encoder, { context, continuation }: Continuation): Pair {
  const trimmed = context.trimEnd();
  const whole = encode(context + continuation);
  const before = trimmed === "" ? encode("") : encode(trimmed);
  // If a continuation merges into the context's last token, that token belongs to the continuation.
  const after = whole.length > before.length ? whole.slice(before.length) : whole.slice(-1);
  return { context: before.length > 0 ? before : [start], continuation: after };
}
