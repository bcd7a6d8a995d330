import { instructedChat } from "../../engine/decode/instructed-chat.ts";
import type { Prompt } from "../../engine/decode/language-model.ts";
import { UserError } from "../../util/errors.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";

const ASK = "Say yes if you have to look this question up to answer it, and no if you know the answer.";

/** The prompt that asks a model whether it would look a question up. */
export function reflectionPrompt(tokenizer: Tokenizer, question: string): Prompt {
  if (tokenizer.chatTemplate === undefined) return `${ASK}\n\nQuestion: ${question}\nAnswer:`;
  return instructedChat(tokenizer, ASK)(question);
}

/** Single tokens for yes and no. @throws UserError if the tokenizer has none */
export function reflectionTokens(tokenizer: Tokenizer): { yes: number[]; no: number[] } {
  const single = (word: Word) => {
    const ids = tokensOf(tokenizer, word);
    if (ids.length > 0) return ids;
    throw new UserError(`${tokenizer.path}: "${word}" is not a single token, which self-reflection needs`);
  };
  return { yes: single("yes"), no: single("no") };
}

/** True if yes and no are single tokens. */
export const canReflect = (tokenizer: Tokenizer): boolean =>
  (["yes", "no"] as const).every((word) => tokensOf(tokenizer, word).length > 0);

type Word = "yes" | "no";

/** Tokens that consist of only the word, with or without a leading space and an initial capital. */
function tokensOf(tokenizer: Tokenizer, word: Word): number[] {
  const spelled = [word, word[0]!.toUpperCase() + word.slice(1)].flatMap((w) => [w, ` ${w}`]);
  const ids = spelled.map((text) => tokenizer.encode(text)).filter(({ length }) => length === 1);
  return [...new Set(ids.map(([id]) => id!))];
}
