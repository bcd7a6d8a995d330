import { readFileSync } from "node:fs";
import path from "node:path";
import { z } from "zod";

const question = z.strictObject({
  question: z.string(),
  right: z.array(z.string()).min(1),
  wrong: z.array(z.string()).default([]),
});
export type Question = z.output<typeof question>;

/**
 * The questions of a file, each with words of which a right answer contains one, and words that make an answer wrong.
 */
export const questionsIn = (file: "questions.jsonl" | "choosing.jsonl"): readonly Question[] =>
  readFileSync(path.join(import.meta.dirname, file), "utf8")
    .trim()
    .split("\n")
    .map((line) => question.parse(JSON.parse(line)));

const words = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}]+/gu) ?? [];

const has = (answer: string, some: readonly string[]): boolean =>
  some.some((word) => words(answer).includes(word.toLowerCase()));

export const isRight = ({ right, wrong }: Question, answer: string): boolean =>
  has(answer, right) && !has(answer, wrong);
