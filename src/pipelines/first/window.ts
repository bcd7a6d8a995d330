import { type Letters, letterOf, lettersOf, scoresOf } from "../../engine/decode/listwise/letters.ts";
import { Prompts } from "../../engine/decode/listwise/prompt.ts";
import type { Receipt } from "../../ledger/receipt.ts";
import type { TurnTerms } from "../request.ts";
import type { RankModel } from "./model.ts";
import type { FirstOptions } from "./options.ts";
import { byScore, repaired, written } from "./order.ts";

/** A window's ranking. */
export interface WindowRanking {
  /** Indices of the passages, best first. */
  readonly order: readonly number[];
  /** Logits of the passages' letters, by index. Logits of different windows are not comparable. */
  readonly logits: readonly number[];
  /** The ranking that the model wrote, with `method=generate`. */
  readonly text?: string;
  /** The maximum number of words read from each passage. */
  readonly words: number;
  readonly receipt: Receipt;
}

/** Ranks the passages of one window at a time. */
export class WindowRanker {
  readonly #letters: Letters;
  readonly #prompts: Prompts;

  /** @throws UserError if the tokenizer has no single tokens for letters */
  constructor(
    readonly model: RankModel,
    private readonly options: FirstOptions,
  ) {
    this.#letters = lettersOf(model.tokenizer, options.windowSize);
    this.#prompts = new Prompts(model.tokenizer);
    for (const [place, id] of this.#prompts.letterIds(options.windowSize).entries())
      if (!this.#letters[place]!.includes(id)) throw new Error(`${model.name}: ${letterOf(place)} is not token ${id}`);
  }

  /** The number of tokens in a whole ranking of this many passages. */
  answerTokens(count: number): number {
    return this.#prompts.answerTokens(count);
  }

  /** The maximum tokens of a written ranking, since a model may write it in smaller tokens than the tokenizer would. */
  #mostTokens(count: number): number {
    return 2 * this.answerTokens(count);
  }

  /** The prompt of a window, cut to fit. @throws UserError if the query is too long */
  prompt(query: string, passages: readonly string[]) {
    const reserved = this.options.method === "generate" ? this.#mostTokens(passages.length) : 1;
    const contextSize = Math.min(this.options.contextSize, this.model.context);
    return this.#prompts.fitted(query, passages, { ...this.options, contextSize }, reserved);
  }

  /** @throws NotFinite if a logit is not finite; UserError if the query is too long */
  async rank(query: string, passages: readonly string[], terms: TurnTerms): Promise<WindowRanking> {
    const count = passages.length;
    const { ids, words } = this.prompt(query, passages);
    let logits: number[] | undefined;
    const observe = (all: ArrayLike<number>) => {
      logits ??= scoresOf(all, this.#letters, count);
    };
    const { text, receipt } = await whole(
      this.model.generate(ids, { ...terms, ...this.#answer(count), temperature: 0, observe }),
    );
    if (!logits || !receipt) throw new Error(`${this.model.name}: a window ended without its logits or its receipt`);
    const shared = { logits, words, receipt };
    switch (this.options.method) {
      case "single-token":
        return { ...shared, order: byScore(logits) };
      case "generate":
        return { ...shared, order: repaired(written(`[${text}`), count), text: `[${text}` };
    }
  }

  /** Constrains a written ranking to this many letters; repeated letters are repaired afterwards. */
  #answer(count: number) {
    switch (this.options.method) {
      case "single-token":
        return { maxTokens: 1 };
      case "generate":
        return { maxTokens: this.#mostTokens(count), format: rankingOf(count) };
    }
  }
}

/** The rest of a ranking of `count` passages after its first bracket. */
function rankingOf(count: number): RegExp {
  const letter = `[A-${letterOf(count - 1)}]`;
  return new RegExp(`^${letter}(\\] > \\[${letter}){${count - 1}}\\]$`);
}

async function whole(pieces: ReturnType<RankModel["generate"]>): Promise<{ text: string; receipt?: Receipt }> {
  let text = "";
  for await (const piece of pieces) {
    text += piece.text;
    if (piece.receipt) return { text, receipt: piece.receipt };
  }
  return { text };
}
