import { writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Tokenizer } from "../../src/weights/tokenizer/index.ts";
import { gsm8k } from "./data.ts";
import { temporary } from "./peer.ts";

/** Real chats, each as long as rows of `tokens` allow: GSM8K's questions and worked answers turn by turn. Returns the file of `count` chats. */
export function longChats(tokenizer: Tokenizer, tokens: number, count: number): string {
  const items = gsm8k().map(({ question, answer }) => [
    { role: "user", content: question },
    { role: "assistant", content: answer },
  ]);
  const length = (turns: (typeof items)[number]) =>
    turns.reduce((sum, { content }) => sum + tokenizer.encode(content).length + TURN, 0);
  const chats = Array.from({ length: count }, () => {
    const messages: (typeof items)[number] = [];
    // After an item that does not fit, a few more items are tried.
    for (let tried = 0; tried < 20; tried++) {
      const item = items.shift()!;
      if (SYSTEM + length([...messages, ...item]) <= tokens) messages.push(...item);
      else items.push(item);
    }
    return JSON.stringify({ messages });
  });
  const file = join(temporary(), "chats.jsonl");
  writeFileSync(file, chats.join("\n"));
  return file;
}

/** Tokens of SmolLM2's template around a turn, and of its system prompt. */
const [TURN, SYSTEM] = [5, 30];
