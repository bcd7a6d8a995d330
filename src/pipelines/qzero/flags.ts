import { jsonLines } from "../../util/data/jsonl.ts";
import { parseRows } from "../../util/data/row.ts";
import { UserError } from "../../util/errors.ts";
import type { QZeroRequest } from "./classifier.ts";
import { evidenceDocument } from "./documents.ts";
import { labelsOfFlags } from "./labels.ts";
import { type QZeroInput, qzeroOptions } from "./options.ts";
import type { QZeroResult } from "./qzero.ts";
import type { Contribution } from "./scorer.ts";

export { labelWordsOfFlags } from "./labels.ts";
export const options = qzeroOptions;

/** Flags other than the options. */
export const flags = {
  "index <name>": "qzero: the index to search",
  "store <address>": "qzero: where the index is: postgres://user@host/database (default: files in MODICUM_HOME)",
  "evidence <file>": 'qzero: documents for the text, one {"title", "categories"} per line, best first',
  explain: "qzero: also print documents, categories and keywords",
};

type Flags = Partial<Record<"index" | "store" | "evidence", string> & { labels: string[]; explain: boolean }>;

/** @throws UserError */
export async function read(
  { labels, index, evidence, explain = false }: Flags,
  qzero: QZeroInput,
): Promise<QZeroRequest> {
  if (!labels) throw new UserError("--via qzero needs --labels a,b,…", 2);
  if (index === undefined && evidence === undefined)
    throw new UserError("--via qzero needs --index NAME, or --evidence FILE", 2);
  if (index !== undefined && evidence !== undefined)
    throw new UserError("--evidence replaces --index; expected one of them, got both", 2);
  const documents = evidence === undefined ? undefined : [await parseRows(evidenceDocument, jsonLines(evidence))];
  return { labels: labelsOfFlags(labels), index, qzero, evidence: documents, explain };
}

const MOST_PRINTED = 10;

/** Describes in sentences how a result was decided; `columns` formats a table's lines. */
export function explained(
  { retrieved, fallback, explanation }: QZeroResult,
  columns: (rows: string[][]) => string[],
): string[] {
  if (!explanation) return [];
  if (!retrieved) return ["not looked up: its two best labels are not close"];
  if (fallback) return ["no category was found; decided by the text alone"];
  const { documents, categories, keywords } = explanation;
  const tables: [title: string, rows: string[][]][] = [
    ["documents", documents.map(({ id, title }) => [id, title])],
    ["categories", categories.map(rowOf)],
    ["keywords", keywords.map(rowOf)],
  ];
  return tables
    .filter(([, rows]) => rows.length > 0)
    .flatMap(([title, rows]) => ["", title, ...columns(rows.slice(0, MOST_PRINTED))]);
}

const rowOf = ({ name, count, contribution }: Contribution) => [contribution?.toFixed(4) ?? "", String(count), name];
