import type { Tokenizer } from "./tokenizer.ts";

/** The tag that opens a model's reasoning in Qwen, DeepSeek, SmolLM3, GLM and others. */
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

/** The way a model's chat template divides answers: tags around the reasoning, or messages in channels. */
export type AnswerMarks = "think" | "harmony";

/** Finds how a tokenizer's template divides answers; undefined if answers are undivided text. */
export function answerMarks({ templates }: Pick<Tokenizer, "templates">): AnswerMarks | undefined {
  const written = (mark: string) => [templates.chat, templates.tools].some((template) => template?.includes(mark));
  if (written(HARMONY.channel) && written(HARMONY.message)) return "harmony";
  return written(THINK) || written(END_THINK) ? "think" : undefined;
}

/** The number of tokens to look at from the end: more than any chat template adds at the end of a prompt. */
const LAST_WORDS = 16;

/** The text at the end of a prompt, including names of special tokens. */
export const promptEnd = (tokenizer: Tokenizer, ids: readonly number[]): string =>
  Buffer.concat(ids.slice(-LAST_WORDS).map((id) => tokenizer.bytes(id))).toString();

/** True if a prompt ends inside reasoning, which some templates open. */
export const endsInReasoning = (prompt: string): boolean => /<think>\s*$/.test(prompt);

/** The text to insert between a prompt and the given start of its answer, so that only marked text is reasoning. */
export function beforeBegun(marks: AnswerMarks | undefined, prompt: string, begun: string): string {
  if (begun.trim() === "") return "";
  if (marks === "harmony") return `${HARMONY.channel}final${HARMONY.message}`;
  return endsInReasoning(prompt) && !begun.includes(END_THINK) ? `\n${END_THINK}\n\n` : "";
}
