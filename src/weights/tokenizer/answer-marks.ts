import type { Tokenizer } from "./tokenizer.ts";

/** The tags around a model's reasoning, as Qwen, DeepSeek, SmolLM3, GLM and others write them. */
export const THINK = "<think>";
export const END_THINK = "</think>";

/** The tokens that divide messages and their headers in harmony, gpt-oss's chat format. */
export const HARMONY = {
  start: "<|start|>",
  channel: "<|channel|>",
  constrain: "<|constrain|>",
  message: "<|message|>",
  end: "<|end|>",
  call: "<|call|>",
  return: "<|return|>",
} as const;

/** How a model's chat template divides its answers: by tags around the reasoning, or into messages in channels. */
export type AnswerMarks = "think" | "harmony";

/** Undefined if answers are text as a whole. */
export function answerMarks({ templates }: Pick<Tokenizer, "templates">): AnswerMarks | undefined {
  const written = (mark: string) => [templates.chat, templates.tools].some((template) => template?.includes(mark));
  if (written(HARMONY.channel) && written(HARMONY.message)) return "harmony";
  return written(THINK) || written(END_THINK) ? "think" : undefined;
}

/** Tokens that a chat template's last words fit in. */
const LAST_WORDS = 16;

/** The text that a prompt ends with, names of special tokens included. */
export const promptEnd = (tokenizer: Tokenizer, ids: readonly number[]): string =>
  Buffer.concat(ids.slice(-LAST_WORDS).map((id) => tokenizer.bytes(id))).toString();

/** True if a prompt's text ends inside reasoning: some templates begin it. */
export const endsInReasoning = (prompt: string): boolean => /<think>\s*$/.test(prompt);

/** The text between a prompt and the answer that has been begun there, which is no reasoning unless it says so. */
export function beforeBegun(marks: AnswerMarks | undefined, prompt: string, begun: string): string {
  if (begun.trim() === "") return "";
  if (marks === "harmony") return `${HARMONY.channel}final${HARMONY.message}`;
  return endsInReasoning(prompt) && !begun.includes(END_THINK) ? `\n${END_THINK}\n\n` : "";
}
