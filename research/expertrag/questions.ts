import { type Question as Asked, questionOf } from "../../src/lab/lookup/question.ts";
import { holdsWords } from "../../src/lab/metrics/squad.ts";
import { nqOpen, triviaqa } from "../../src/lab/tasks/open-questions.ts";

export interface Question extends Asked {
  readonly set: "triviaqa" | "nq-open";
}

/** All questions of a set, in the order that the lab draws them. */
export async function questionsOf(set: Question["set"]): Promise<Question[]> {
  const task = set === "triviaqa" ? triviaqa : nqOpen;
  const all: Question[] = [];
  for await (const { id, prompt, answers } of task.items({ limit: undefined, seed: 0, countTokens: () => 0 })) {
    all.push({ set, ...questionOf({ id, prompt, answers }) });
  }
  return all;
}

/** True if a text has an answer as whole words. */
export const holds = (text: string, answers: readonly string[]): boolean =>
  answers.some((answer) => holdsWords(text, answer));
