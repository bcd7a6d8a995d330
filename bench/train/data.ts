import { existsSync, readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { UserError } from "../../src/util/errors.ts";

const folder = process.env["MODICUM_BENCH_DATA"] ?? resolve(import.meta.dirname, "..", "..", "..", "shared", "data");

/** The path of a public data set, which is not part of the project. @throws UserError if it is missing */
export function dataFile(name: string, source: string): string {
  const file = join(folder, name);
  if (existsSync(file)) return file;
  throw new UserError(`${file} is missing: the bench reads ${name} (${source}) in the folder MODICUM_BENCH_DATA`);
}

export const shakespeare = (): string => dataFile("tinyshakespeare.txt", "karpathy/char-rnn");

/** GSM8K's questions and worked answers. */
export const gsm8k = (): { question: string; answer: string }[] =>
  readFileSync(dataFile("gsm8k/train.jsonl", "openai/grade-school-math"), "utf8")
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line));
