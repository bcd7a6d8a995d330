import { type Question as Asked, questionOf } from "../../src/lab/lookup/question.ts";
import { holdsWords } from "../../src/lab/metrics/squad.ts";
import { itemsOf } from "../common/tasks.ts";

export interface Question extends Asked {
  readonly set: "triviaqa" | "nq-open";
}

/** All questions of a set, in the order that the lab draws them. */
export async function questionsOf(set: Question["set"]): Promise<Question[]> {
  const all: Question[] = [];
  for await (const { id, prompt, answers } of itemsOf("generation", set))
    all.push({ set, ...questionOf({ id, prompt, answers }) });
  return all;
}

/** True if a text has an answer as whole words. */
export const holds = (text: string, answers: readonly string[]): boolean =>
  answers.some((answer) => holdsWords(text, answer));
