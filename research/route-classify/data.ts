import { createHash } from "node:crypto";
import { rowsOf } from "../../src/util/data/rows.ts";
import { seededRandom, shuffle } from "../../src/util/random.ts";
import { filesOf } from "../../src/weights/sources/data-place.ts";

/** A text and the place of its label. */
export interface LabelledText {
  readonly text: string;
  readonly label: number;
}

/** A data set. Rows of a separate test table come last. */
export interface DataSet {
  readonly name: string;
  readonly labels: readonly string[];
  readonly rows: readonly LabelledText[];
  /** Rows of the test table; undefined: every split draws its own. */
  readonly tests: number | undefined;
  /** Hex SHA-256 of texts and labels. */
  readonly sha256: string;
  /** Rows that were left out since an earlier one has the same text. */
  readonly duplicates: number;
}

/** The tables of a data set, named as the lab's tasks name files, and the names of their columns. */
export interface Tables {
  readonly name: string;
  readonly train: string;
  readonly test?: string | undefined;
  readonly text: string;
  readonly label: string;
}

export async function readSet({ name, train, test, ...columns }: Tables): Promise<DataSet> {
  const known = await table(train, columns);
  const tests = test === undefined ? undefined : distinct(await table(test, columns));
  const first = tests ? known : distinct(known);
  const all = [...first, ...(tests ?? [])];
  const labels = [...new Set(all.map(({ label }) => label))].sort();
  const rows = all.map(({ text, label }) => ({ text, label: labels.indexOf(label) }));
  const sha256 = createHash("sha256").update(JSON.stringify(all)).digest("hex");
  return { name, labels, rows, tests: tests?.length, sha256, duplicates: known.length - first.length };
}

async function table(place: string, { text, label }: Pick<Tables, "text" | "label">) {
  const [path] = await filesOf(place);
  const rows: { text: string; label: string }[] = [];
  for await (const { value } of rowsOf(path!)) {
    const row = value as Readonly<Record<string, unknown>>;
    rows.push({ text: String(row[text]).trim(), label: String(row[label]) });
  }
  return rows;
}

const distinct = <T extends { text: string }>(rows: readonly T[]): T[] =>
  [...new Map(rows.toReversed().map((row) => [row.text, row])).values()].reverse();

/** Places of rows. */
export interface Split {
  readonly train: readonly number[];
  readonly calibration: readonly number[];
  readonly test: readonly number[];
}

/** A fifth of the rows for calibration; a fifth, or the test table, for tests; the others for training. */
export function splitOf({ rows, tests }: DataSet, seed: number): Split {
  const own = rows.length - (tests ?? 0);
  const order = shuffle([...Array(own).keys()], seededRandom(seed));
  const fifth = Math.round(own / 5);
  const test = tests === undefined ? order.slice(0, fifth) : Array.from({ length: tests }, (_, i) => own + i);
  const rest = tests === undefined ? order.slice(fifth) : order;
  return { test, calibration: rest.slice(0, fifth), train: rest.slice(fifth) };
}
