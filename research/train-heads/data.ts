import { readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "csv-parse/sync";
import { seededRandom, shuffle } from "../../src/util/random.ts";
import { writeWhole } from "../../src/util/write-whole.ts";

/** A message and its intent. */
export interface Message {
  readonly text: string;
  readonly label: string;
}

interface Row {
  readonly text: string;
  readonly category: string;
}

/** `train` or `test` of Banking77, from a folder of PolyAI-LDN/task-specific-datasets. */
export function messagesOf(source: string, part: "train" | "test"): Message[] {
  const rows: Row[] = parse(readFileSync(path.join(source, `${part}.csv`)), { columns: true });
  return rows.map(({ text, category }) => ({ text, label: category.replaceAll("_", " ") }));
}

/** The messages with their labels in a random order: the control. */
export function shuffled(messages: readonly Message[], seed: number): Message[] {
  const labels = shuffle(
    messages.map(({ label }) => label),
    seededRandom(seed),
  );
  return messages.map(({ text }, i) => ({ text, label: labels[i]! }));
}

/** Writes lines of JSON. */
export const writeLines = (file: string, lines: readonly object[]): Promise<void> =>
  writeWhole(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
