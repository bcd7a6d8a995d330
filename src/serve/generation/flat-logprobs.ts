import { isUtf8 } from "node:buffer";
import { z } from "zod";
import type { Sampled } from "../../index.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import type { Part } from "./answers.ts";
import { type Entry, entryOf } from "./logprobs.ts";

export const flatLogprobsSchema = z.object({
  tokens: z.array(z.string()),
  token_logprobs: z.array(z.number().nullable()).describe("null for a prompt's first token"),
  top_logprobs: z.array(z.record(z.string(), z.number()).nullable()),
  text_offset: z.array(z.int()).describe("each token's start, in characters from the start of the prompt"),
});
type Flat = z.output<typeof flatLogprobsSchema>;

/**
 * Converts one answer's log-probabilities, piece by piece, to the format of OpenAI's completions; with `echo`, the
 * prompt's come first.
 */
export class FlatLogprobs {
  readonly #prompt = new Offsets(0);
  readonly #answer: Offsets;

  constructor(
    prompt: string,
    private readonly echo = false,
  ) {
    this.#answer = new Offsets(lengthOf(prompt));
  }

  of(parts: readonly Part[]): Flat {
    return flat(parts.flatMap((part) => [...this.#prompted(part), ...this.#answered(part)]));
  }

  #prompted({ prompt = [], tokenizer }: Part): LogprobRow[] {
    return this.echo ? prompt.map((token) => this.#prompt.row(tokenizer, token, true)) : [];
  }

  /** With `echo`, includes the end token, since clients count tokens from the end. */
  #answered({ tokens, tokenizer }: Part): LogprobRow[] {
    const shown = tokens.filter(({ id }) => this.echo || !tokenizer.stopIds.has(id));
    return shown.map((token) => this.#answer.row(tokenizer, token, false));
  }
}

/** A token, its alternatives, and its offset. */
interface LogprobRow {
  readonly token: Sampled;
  readonly entry: Entry;
  readonly top: readonly Entry[];
  readonly offset: number;
}

const flat = (rows: readonly LogprobRow[]): Flat => ({
  tokens: rows.map(({ entry }) => flatName(entry)),
  token_logprobs: rows.map(({ token, entry }) => (token.logprob === undefined ? null : entry.logprob)),
  // Like OpenAI, includes the chosen token, however unlikely it is.
  top_logprobs: rows.map(({ token, entry, top }) => (token.logprob === undefined ? null : byName([...top, entry]))),
  text_offset: rows.map(({ offset }) => offset),
});

/** Counts characters across tokens, which may contain incomplete characters. */
class Offsets {
  readonly #decoder = new TextDecoder("utf-8", { ignoreBOM: true });
  #begun = false;

  constructor(private offset: number) {}

  /**
   * The next token's row. A token that continues a character has that character's offset. `opens`: the token may be the
   * text's first.
   */
  row(tokenizer: Tokenizer, token: Sampled, opens: boolean): LogprobRow {
    const special = opens && tokenizer.isSpecial(token.id);
    const entry = entryOf(tokenizer, token, opens && !special && !this.#begun);
    const top = (token.top ?? []).map((other) => entryOf(tokenizer, other));
    const row = { token, entry, top, offset: this.offset };
    // Special tokens have no text.
    if (!special) this.#pass(entry.bytes);
    return row;
  }

  #pass(bytes: readonly number[]): void {
    this.#begun = true;
    this.offset += lengthOf(this.#decoder.decode(Uint8Array.from(bytes), { stream: true }));
  }
}

/** The length in code points, as in Python. */
const lengthOf = (text: string): number => [...text].length;

/** Keeps the likeliest of the tokens with the same bytes. */
const byName = (likeliestFirst: readonly Entry[]): Record<string, number> =>
  Object.fromEntries(likeliestFirst.toReversed().map((it) => [flatName(it), it.logprob]));

/** A token's text, or its bytes if they are not whole characters, since different bytes could have the same text. */
function flatName({ token, bytes }: Entry): string {
  if (isUtf8(Uint8Array.from(bytes))) return token;
  return `bytes:${bytes.map((byte) => `\\x${byte.toString(16).padStart(2, "0")}`).join("")}`;
}
