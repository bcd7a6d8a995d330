import { UserError } from "../../util/errors.ts";
import { type ChatMessage, chatSegments, type Tokenizer } from "../../weights/tokenizer/index.ts";

/**
 * A chat with one question and an instruction, which is the system turn, or precedes the question if the template
 * rejects system turns.
 */
export function instructedChat(tokenizer: Tokenizer, instruction: string): (question: string) => ChatMessage[] {
  const withSystem = (question: string): ChatMessage[] => [
    { role: "system", content: instruction },
    { role: "user", content: question },
  ];
  const alone = (question: string): ChatMessage[] => [{ role: "user", content: `${instruction}\n\n${question}` }];
  return accepts(tokenizer, withSystem("x")) ? withSystem : alone;
}

function accepts(tokenizer: Tokenizer, chat: readonly ChatMessage[]): boolean {
  try {
    chatSegments(tokenizer, chat, { addGenerationPrompt: true });
    return true;
  } catch (error) {
    if (error instanceof UserError) return false;
    throw error;
  }
}
