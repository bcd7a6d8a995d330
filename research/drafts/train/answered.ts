import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import type { Kind, Split } from "./documents.ts";

/** The model that is drafted for. */
export const MODEL = "qwen2.5-coder";

/** A question with the model's answer to it, which begins at token `from`. */
export interface Written {
  readonly kind: Kind;
  readonly split: Split;
  readonly from: number;
  readonly ids: number[];
}

export const answersFile = (folder: string): string => path.join(folder, "answers.jsonl");

export function answersIn(folder: string): Written[] {
  if (!existsSync(answersFile(folder))) return [];
  const lines = readFileSync(answersFile(folder), "utf8").trimEnd().split("\n");
  return lines.map((line) => JSON.parse(line) as Written);
}

/** The index of the greatest number. */
export function bestOf(values: Float32Array): number {
  let best = 0;
  for (let i = 1; i < values.length; i++) if (values[i]! > values[best]!) best = i;
  return best;
}
