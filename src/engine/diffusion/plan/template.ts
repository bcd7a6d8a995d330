import { type ChatMessage, chatSegments, type Segment, type Tokenizer } from "../../../weights/tokenizer/index.ts";
import { bosOf } from "../../decode/language-model.ts";

/**
 * Wordings of the planner's and the executor's prompts. A version never changes, because a projector is trained for one
 * version. `bare-1` puts marks around the plan, for models trained on them; `chat-1` uses chat templates. `half-1` uses
 * bare-1's wording for the planner and chat-1's for the executor.
 */
export const templates = ["bare-1", "chat-1", "half-1"] as const;
export type Template = (typeof templates)[number];

/** An executor's prompt: the tokens before and after the plan's place. */
export interface Around {
  readonly before: readonly number[];
  readonly behind: readonly number[];
}

const ask = (question: string): string =>
  `Write a short plan for the question: how to solve it, without the answer.\n\n${question}`;
const answer = (question: string, plan: string): string => `${question}\n\n${plan}Give the answer alone.`;

/** Encodes the planner's prompt. */
export function plannerPrompt(tokenizer: Tokenizer, template: Template, question: string): number[] {
  switch (template) {
    case "bare-1":
    case "half-1":
      return bare(tokenizer, `${question}=`);
    case "chat-1":
      return tokenizer.encodeSegments(chat(tokenizer, ask(question)));
  }
}

/** Encodes the executor's prompt around the plan's place; without a plan, the place is empty. */
export function executorPrompt(tokenizer: Tokenizer, template: Template, question: string, planned: boolean): Around {
  switch (template) {
    case "bare-1":
      return { before: bare(tokenizer, planned ? `${question}=` : question), behind: tokenizer.encode(">") };
    case "chat-1":
    case "half-1":
      return planned ? aroundPlan(tokenizer, question) : { before: plain(tokenizer, question), behind: [] };
  }
}

const bare = (tokenizer: Tokenizer, text: string): number[] => [...bosOf(tokenizer), ...tokenizer.encode(text)];

const chat = (tokenizer: Tokenizer, content: string): Segment[] => {
  const turns: ChatMessage[] = [{ role: "user", content }];
  return chatSegments(tokenizer, turns, { addGenerationPrompt: true });
};

const plain = (tokenizer: Tokenizer, question: string): number[] =>
  tokenizer.encodeSegments(chat(tokenizer, answer(question, "")));

/** A character that no question contains. */
const PLACE = "\u{F0000}";

function aroundPlan(tokenizer: Tokenizer, question: string): Around {
  const segments = chat(tokenizer, answer(question.replaceAll(PLACE, ""), `Plan: ${PLACE}\n\n`));
  const at = segments.findIndex(({ text }) => text.includes(PLACE));
  const [before, behind] = segments[at]!.text.split(PLACE) as [string, string];
  const text = (part: string): Segment => ({ text: part, special: false });
  return {
    before: tokenizer.encodeSegments([...segments.slice(0, at), text(before)]),
    behind: tokenizer.encodeSegments([text(behind), ...segments.slice(at + 1)]),
  };
}
