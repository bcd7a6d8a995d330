import type { AnswerModel } from "./model.ts";
import { type AnswerOptions, MOST_PASSAGE_TOKENS } from "./options.ts";
import type { Asked } from "./prompt.ts";

/** Tokens for each indexed term, which stop words are not: 1.96 of SmolLM2's and 1.97 of Qwen2.5's on 502 leads of Wikipedia. */
const TOKENS_PER_TERM = 2;

/** Tokens of the prompt with passages that were not searched for: as many as asked for, of the index's mean length. */
export function expectedPrompt<O extends object>(
  model: AnswerModel<O>,
  asked: Asked,
  { passages, maxContextTokens }: Pick<AnswerOptions, "passages" | "maxContextTokens">,
  meanTerms: number,
): number {
  const mean = Math.round(TOKENS_PER_TERM * meanTerms);
  const each = Math.min(mean, MOST_PASSAGE_TOKENS, Math.floor(maxContextTokens / passages));
  if (each === 0) return model.count(asked.plain);
  return model.count(asked.with(Array.from({ length: passages }, () => filler(each))));
}

/** A text of about so many tokens. */
const filler = (tokens: number): string => Array.from({ length: tokens }, () => "the").join(" ");
