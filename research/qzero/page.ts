/** The table of research/qzero/README.md from research/qzero/results/encyclopaedia.json: `npx tsx research/qzero/page.ts` writes it. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { markdownTable, root, writeSection } from "../../tools/section.ts";

export const PAGE = "research/qzero/README.md";
export const SECTION = "qzero-results";
export const RESULT = "research/qzero/results/encyclopaedia.json";

type Interval = readonly [number, number];

/** One arm of one model on the made-up encyclopaedia. */
export interface Row {
  readonly model: string;
  readonly task: "topics" | "opinions";
  /** The entities, of ten, whose name an encoder may know. */
  readonly telling: number;
  readonly arm: string;
  readonly topK: number;
  readonly texts: number;
  readonly accuracy: number;
  readonly ci95: Interval;
  /** Against plain, paired. */
  readonly delta: { readonly mean: number; readonly ci95: Interval };
  /** The share of texts that were decided with categories. */
  readonly lookedUp: number;
  /** Means per text. */
  readonly categories: number;
  readonly keywords: number;
  readonly tokens: { readonly given: number; readonly read: number };
  readonly ms: { readonly search: number; readonly classify: number };
  readonly flopsPerText: number;
}

export const readRows = (): Row[] => JSON.parse(readFileSync(join(root, RESULT), "utf8")).rows;

/** One row per arm, one column per model. */
export function resultsTable(rows: readonly Row[] = readRows()): string {
  const models = [...new Set(rows.map(({ model }) => model))];
  const keys = [...new Set(rows.map(keyOf))];
  const cell = (key: string, model: string) => rows.find((row) => row.model === model && keyOf(row) === key);
  return markdownTable(
    ["labels", "names known", "categories", "documents", ...models],
    keys.map((key) => [...key.split("\t"), ...models.map((model) => shown(cell(key, model)))]),
  );
}

const keyOf = ({ task, telling, arm, topK }: Row): string =>
  [task, `${telling} of 10`, arm === "plain" ? "" : arm, arm === "plain" ? "" : `${topK}`].join("\t");

const three = (value: number): string => `${value < 0 ? "−" : ""}${Math.abs(value).toFixed(3)}`;

function shown(row: Row | undefined): string {
  if (!row) return "";
  const { accuracy, delta, arm } = row;
  if (arm === "plain") return three(accuracy);
  return `${three(accuracy)} (${delta.ci95.map((x) => `${x > 0 ? "+" : ""}${three(x)}`).join(" to ")})`;
}

export const writeTable = (): void => writeSection(PAGE, SECTION, resultsTable());

if (process.argv[1] === import.meta.filename) writeTable();
