import type { GenerationItem } from "../item.ts";

export interface Question {
  readonly id: string;
  readonly question: string;
  readonly answers: readonly string[];
}

/** The last question of a prompt in the form "Question: …\nAnswer:", without its examples; else the whole prompt. */
export function questionOf({ id, prompt, answers }: Pick<GenerationItem, "id" | "prompt" | "answers">): Question {
  const question = /.*Question: (.*?)[?\s]*\nAnswer:$/s.exec(prompt)?.[1];
  return { id, question: question === undefined ? prompt.trim() : `${question}?`, answers };
}
