import { UserError } from "../errors.ts";
import { csvRows } from "./csv.ts";
import { jsonLines, jsonList } from "./jsonl.ts";
import type { Row } from "./row.ts";
import { arrowRows, parquetRows } from "./tables.ts";

type Reader = (path: string) => AsyncIterable<Row>;

/** A reader for each file extension; `.gz` may follow it. */
const readers: Readonly<Record<string, Reader>> = {
  jsonl: jsonLines,
  ndjson: jsonLines,
  json: jsonList,
  csv: (path) => csvRows(path, ","),
  tsv: (path) => csvRows(path, "\t"),
  arrow: arrowRows,
  parquet: parquetRows,
};

export const isTable = (path: string): boolean => readerOf(path) !== undefined;

const readerOf = (path: string): Reader | undefined =>
  readers[/\.([a-z]+)(\.gz)?$/i.exec(path)?.[1]?.toLowerCase() ?? ""];

/** The rows of a data file, by its extension: JSON lines, a JSON list, CSV, TSV, Arrow or parquet, gzipped or not. @throws UserError */
export function rowsOf(path: string): AsyncIterable<Row> {
  const reader = readerOf(path);
  if (reader) return reader(path);
  const known = Object.keys(readers).map((end) => `.${end}`);
  throw new UserError(`${path}: expected a file whose name ends in ${known.join(", ")}, with or without .gz after it`);
}
