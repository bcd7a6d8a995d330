import { itemsOf } from "../common/tasks.ts";

/** Splits a passage at sentences into excerpts of at most `most` words; longer sentences are cut. */
export function excerptsOf(passage: string, most: number): string[] {
  const pieces: string[][] = [[]];
  for (const sentence of passage.split(/(?<=[.!?])\s+/)) {
    const words = sentence.split(/\s+/).slice(0, most);
    if (pieces.at(-1)!.length + words.length > most) pieces.push([]);
    pieces.at(-1)!.push(...words);
  }
  return pieces.filter(({ length }) => length > 0).map((words) => words.join(" "));
}

/** A question of SQuAD, with the passage that answers it. */
export interface Asked {
  readonly passage: string;
  readonly question: string;
  readonly answers: readonly string[];
}

/** The questions that the lab has. */
export async function squadQuestions(): Promise<Asked[]> {
  const found: Asked[] = [];
  for await (const { prompt, answers } of itemsOf("generation", "squad")) {
    const [, passage, question] = /.*\nBackground: (.*?)\nQuestion: (.*?)\nAnswer:\s*$/s.exec(prompt) ?? [];
    if (passage === undefined || question === undefined) throw new Error(`no passage in ${prompt.slice(-500)}`);
    found.push({ passage: passage.split("\nBackground: ").at(-1)!, question, answers });
  }
  return found;
}
