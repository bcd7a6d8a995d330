import type { LanguageModel } from "../../decode/language-model.ts";
import type { Pair } from "../../decode/score/likelihood.ts";

/** The part of a tokenizer that turns text into ids. */
export interface Encoder {
  /** Encodes a text with the tokens that the tokenizer puts before it, if any. */
  encode(text: string): number[];
  /** Put before a text without context: the token that begins a text, else the one that ends it. */
  readonly start: number;
}

/** A language model's, for texts as they are. */
export const encoderOf = (model: LanguageModel): Encoder => ({
  encode: (text) => model.encode(text, true),
  start: model.tokenizer.bos ?? model.tokenizer.eos ?? 0,
});

/** A text and how it may go on, with the space or line break that this begins with. */
interface Continuation {
  readonly context: string;
  readonly continuation: string;
}

/**
 * A continuation as ids, by lm-evaluation-harness's convention: spaces at the end of the context move to the
 * continuation: its tokens are the joint text's beyond the context's own.
 */
export function encodePair({ encode, start }: Encoder, { context, continuation }: Continuation): Pair {
  const trimmed = context.trimEnd();
  const whole = encode(context + continuation);
  const before = trimmed === "" ? encode("") : encode(trimmed);
  // A continuation that merges into the context's last token has that token as its own.
  const after = whole.length > before.length ? whole.slice(before.length) : whole.slice(-1);
  return { context: before.length > 0 ? before : [start], continuation: after };
}
