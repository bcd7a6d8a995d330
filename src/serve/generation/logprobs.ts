import { isUtf8 } from "node:buffer";
import { z } from "zod";
import type { Sampled } from "../../index.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import type { Part } from "./answers.ts";

const entry = z.object({ token: z.string(), logprob: z.number(), bytes: z.array(z.int()) });
export const logprobsSchema = z.object({ content: z.array(entry.extend({ top_logprobs: z.array(entry) })) });

/** OpenAI has no infinity in its numbers: a token that cannot be has this. */
const NEVER = -9999;

const utf8 = new TextDecoder("utf-8", { ignoreBOM: true });

function entryOf(tokenizer: Tokenizer, { id, logprob = NEVER }: { id: number; logprob?: number }) {
  const bytes = tokenizer.bytes(id);
  return { token: utf8.decode(bytes), logprob: Math.max(logprob, NEVER), bytes: [...bytes] };
}

/** The tokens of an answer's pieces without the one that ended it, each with its log-probability and the likeliest in its place. */
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

export const flatLogprobsSchema = z.object({
  tokens: z.array(z.string()),
  token_logprobs: z.array(z.number()),
  top_logprobs: z.array(z.record(z.string(), z.number())),
  text_offset: z.array(z.int()).describe("where each begins, in characters from the prompt's beginning"),
});
type Entry = z.output<typeof entry>;

/** The same of one answer in the form of OpenAI's completions, some pieces at a time. */
export class FlatLogprobs {
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #offset: number;

  constructor(prompt: string) {
    this.#offset = lengthOf(prompt);
  }

  of(parts: readonly Part[]): z.output<typeof flatLogprobsSchema> {
    const { content } = logprobsOf(parts);
    return {
      tokens: content.map(flatName),
      token_logprobs: content.map(({ logprob }) => logprob),
      // As OpenAI has it, the token itself is among them, however unlikely.
      top_logprobs: content.map(({ top_logprobs: top, ...token }) => byName([...top, token])),
      text_offset: content.map(({ bytes }) => this.#passed(bytes)),
    };
  }

  /** Where a token begins: with the character that it goes on with. */
  #passed(bytes: readonly number[]): number {
    const offset = this.#offset;
    this.#offset += lengthOf(this.#decoder.decode(Uint8Array.from(bytes), { stream: true }));
    return offset;
  }
}

/** As Python counts characters. */
const lengthOf = (text: string): number => [...text].length;

/** Of tokens that have the same bytes, the likeliest. */
const byName = (likeliestFirst: readonly Entry[]): Record<string, number> =>
  Object.fromEntries(likeliestFirst.toReversed().map((it) => [flatName(it), it.logprob]));

/** A token's text, or its bytes where they are no whole characters: as text, many such tokens look the same. */
function flatName({ token, bytes }: Entry): string {
  if (isUtf8(Uint8Array.from(bytes))) return token;
  return `bytes:${bytes.map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}`;
}
