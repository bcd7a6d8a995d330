import { holdsWords } from "../../src/lab/metrics/squad.ts";
import { nqOpen, triviaqa } from "../../src/lab/tasks/open-questions.ts";

export interface Question {
  readonly set: "triviaqa" | "nq-open";
  readonly id: string;
  readonly question: string;
  readonly answers: readonly string[];
}

/** All questions of a set, in the order that the lab draws them. */
export async function questionsOf(set: Question["set"]): Promise<Question[]> {
  const task = set === "triviaqa" ? triviaqa : nqOpen;
  const all: Question[] = [];
  for await (const { id, prompt, answers } of task.items({ limit: undefined, seed: 0, countTokens: () => 0 })) {
    const [, asked] = /.*Question: (.*?)[?\s]*\nAnswer:$/s.exec(prompt)!;
    all.push({ set, id, question: `${asked}?`, answers });
  }
  return all;
}

/** True if a text has an answer as whole words. */
export const holds = (text: string, answers: readonly string[]): boolean =>
  answers.some((answer) => holdsWords(text, answer));
