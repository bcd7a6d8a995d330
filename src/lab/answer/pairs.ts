import type { Pair } from "../../engine/likelihood.ts";
import type { Continuation } from "../item.ts";

/** What of a language model turns text into ids. */
export interface Encoder {
  /** With what the tokenizer puts before a text, if anything. */
  encode(text: string): number[];
  /** Stands before a text that has no context: the token that begins a text, else the one that ends it. */
  readonly start: number;
}

/**
 * A continuation as ids, by lm-evaluation-harness's convention: spaces that end the context begin the continuation, and its tokens are
 * those that both texts together have beyond the context's own.
 */
export function encodePair({ encode, start }: Encoder, { context, continuation }: Continuation): Pair {
  const trimmed = context.trimEnd();
  const whole = encode(context + continuation);
  const before = trimmed === "" ? encode("") : encode(trimmed);
  // A continuation that merges into the context's last token has that token as its own.
  const after = whole.length > before.length ? whole.slice(before.length) : whole.slice(-1);
  return { context: before.length > 0 ? before : [start], continuation: after };
}

/** A piece of a text: its tokens, of which those from `from` on are to be foretold. */
export interface Window {
  readonly tokens: readonly number[];
  readonly from: number;
}

/**
 * A text in windows of the context's length, each token foretold once: the first window after the starting token, each further one after
 * the last token before it, and the last one, which is shorter, after as much text as fits (lm-evaluation-harness's rolling windows).
 */
export function windows(text: readonly number[], start: number, context: number): Window[] {
  const all = [start, ...text];
  const found: Window[] = [];
  for (let at = 1; at < all.length; at += context) {
    const end = Math.min(at + context, all.length);
    const first = Math.max(0, Math.min(at - 1, end - 1 - context));
    found.push({ tokens: all.slice(first, end), from: at - first });
  }
  return found;
}
