import { z } from "zod";
import type { Sampled } from "../../index.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import type { Part } from "./answers.ts";

const entry = z.object({ token: z.string(), logprob: z.number(), bytes: z.array(z.int()) });
export const logprobsSchema = z.object({ content: z.array(entry.extend({ top_logprobs: z.array(entry) })) });
export type Entry = z.output<typeof entry>;

/** The log-probability of an impossible token, since OpenAI's format has no infinity. */
const NEVER = -9999;

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

/** A token's entry in OpenAI's format; `first`: the token begins a text. */
export function entryOf(
  tokenizer: Tokenizer,
  { id, logprob = NEVER }: Pick<Sampled, "id" | "logprob">,
  first = false,
): Entry {
  const bytes = tokenizer.bytes(id, first);
  return { token: utf8.decode(bytes), logprob: Math.max(logprob, NEVER), bytes: [...bytes] };
}

/**
 * The tokens of an answer's pieces without the end token, each with its log-probability and its likeliest alternatives.
 */
export function logprobsOf(parts: readonly Part[]): z.output<typeof logprobsSchema> {
  const content = parts.flatMap(({ tokens, tokenizer }) =>
    tokens.filter(({ id }) => !tokenizer.stopIds.has(id)).map((token) => detailed(tokenizer, token)),
  );
  return { content };
}

const detailed = (tokenizer: Tokenizer, token: Sampled) => ({
  ...entryOf(tokenizer, token),
  top_logprobs: (token.top ?? []).map((other) => entryOf(tokenizer, other)),
});
