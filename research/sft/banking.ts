import { mkdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { parse } from "csv-parse/sync";
import { seededRandom, shuffle } from "../../src/util/random.ts";
import { writeWhole } from "../../src/util/write-whole.ts";

interface Row {
  readonly text: string;
  readonly category: string;
}

/** Intents: the first of `categories.json`. */
const INTENTS = 10;

/** Files of instructions made of Banking77 (CC BY 4.0): messages, each answered by its intent's name. */
export interface BankingFiles {
  readonly train: string;
  /** The same messages with labels in a random order: the control. */
  readonly shuffled: string;
  /** The test set as a lab task. */
  readonly test: string;
}

/** Writes the files; `source` has `train.csv`, `test.csv` and `categories.json` of PolyAI-LDN/task-specific-datasets. */
export async function bankingFiles(source: string, folder: string): Promise<BankingFiles> {
  const intents: string[] = JSON.parse(readFileSync(path.join(source, "categories.json"), "utf8")).slice(0, INTENTS);
  const rowsOf = (file: string): Row[] => {
    const rows: Row[] = parse(readFileSync(path.join(source, file)), { columns: true });
    return rows.filter(({ category }) => intents.includes(category));
  };
  mkdirSync(folder, { recursive: true });
  const [train, test] = [rowsOf("train.csv"), rowsOf("test.csv")];
  const labels = shuffle(train.map(nameOf), seededRandom(0));
  const write = async (name: string, lines: readonly object[]) => {
    const file = path.join(folder, `${name}.jsonl`);
    await writeWhole(file, lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    return file;
  };
  const sample = (row: Row, intent: string) => ({ prompt: promptOf(row), completion: ` ${intent}` });
  return {
    train: await write(
      "train",
      train.map((row) => sample(row, nameOf(row))),
    ),
    shuffled: await write(
      "shuffled",
      train.map((row, i) => sample(row, labels[i]!)),
    ),
    test: await write(
      "test",
      test.map((row) => ({ prompt: promptOf(row), answer: nameOf(row) })),
    ),
  };
}

const promptOf = ({ text }: Row): string => `Message: ${text.trim().split(/\s+/).join(" ")}\nIntent:`;
const nameOf = ({ category }: Row): string => category.replaceAll("_", " ");
