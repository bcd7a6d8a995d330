import type { Tokenizer } from "./tokenizer.ts";

/** The tags around a model's reasoning, as Qwen, DeepSeek, SmolLM3, GLM and others write them. */
export const THINK = "<think>";
export const END_THINK = "</think>";

/** How a model's chat template divides its answers: `think`, by the tags alone. */
export type AnswerMarks = "think";

/** Undefined if answers are text as a whole. */
export function answerMarks({ templates }: Pick<Tokenizer, "templates">): AnswerMarks | undefined {
  const written = (mark: string) => [templates.chat, templates.tools].some((template) => template?.includes(mark));
  return written(END_THINK) ? "think" : undefined;
}

/** True if a prompt's text ends inside reasoning: some templates begin it. */
export const endsInReasoning = (prompt: string): boolean => /<think>\s*$/.test(prompt);

/** What comes between a prompt's text and the answer that has been begun there, which is no reasoning unless it says so. */
export const beforeBegun = (prompt: string, begun: string): string =>
  endsInReasoning(prompt) && begun.trim() !== "" && !begun.includes(END_THINK) ? `\n${END_THINK}\n\n` : "";
