import { existsSync } from "node:fs";
import type { Row } from "../../util/data/row.ts";
import { isTable, rowsOf } from "../../util/data/rows.ts";
import { few, inFile, UserError } from "../../util/errors.ts";
import { parsedJson } from "../../util/parsed-json.ts";
import { hubFile } from "../../weights/sources/data-hub.ts";
import { filesOf, remoteSource } from "../../weights/sources/data-place.ts";
import { listRepository } from "../../weights/sources/hub-list.ts";
import { fillTemplates, type Templates } from "./columns.ts";
import { isJsonLines, readText } from "./files.ts";

/** A data file in memory. */
export interface DataSource {
  readonly file: string;
  /** The file's text, or its rows as JSON lines. */
  readonly text: string;
  /** The rows of a table; undefined for a text. */
  readonly rows?: readonly Row[];
  /** The file's weight in the mixture, relative to the other files' weights; default: its size. */
  readonly weight?: number;
}

/** A file in memory, or the path of a text or JSON Lines file. */
export type DataFile = DataSource | string;

/** Reads a file. @throws UserError with the number of a line that is not JSON */
export function sourceOf(file: DataFile): DataSource {
  if (typeof file !== "string") return file;
  const text = readText(file);
  return isJsonLines(file) ? { file, text, rows: jsonRows(file, text) } : { file, text };
}

/** Parses the rows of JSON lines; skips empty lines. @throws UserError with the line number */
export const jsonRows = (file: string, text: string): Row[] =>
  text.split("\n").flatMap((line, i) => {
    if (line.trim() === "") return [];
    const where = `${file}: line ${i + 1}`;
    return [{ where, number: i + 1, value: inFile(where, () => parsedJson(line)) }];
  });

/**
 * Reads a run's files: local or hub texts, JSON lines and tables; a name that ends in `=3` gives the file the weight 3.
 * Templates make a sample's fields from a row's columns.
 * @throws UserError
 */
export async function readSources(names: readonly string[], templates: Templates = {}): Promise<DataSource[]> {
  const sources: DataSource[] = [];
  for (const name of names) {
    const { place, weight } = weighted(name);
    for (const file of await filesAt(place)) {
      const source = filled(await readSource(file), templates);
      sources.push(weight === undefined ? source : { ...source, weight });
    }
  }
  return sources;
}

/** The local files at a place. On the hub, a path without an extension names a split of one or more files. */
async function filesAt(place: string): Promise<string[]> {
  const remote = remoteSource(place);
  if (!remote) return [place];
  const { path: split, ...source } = remote;
  if (source.kind !== "hf" || split === undefined || split.includes(".")) return filesOf(place);
  const { files } = await listRepository(source, {});
  const tables = files.map(({ path }) => path).filter(isTable);
  const shards = tables.filter((path) => `/${splitOf(path)}`.endsWith(`/${split}`)).sort();
  const found = new Set(shards.map(splitOf));
  if (found.size !== 1)
    throw new UserError(
      `${place}: expected one split, got ${few([...found]) || "none"} of ${few(splitsOf(tables))}`,
      2,
    );
  const paths: string[] = [];
  for (const file of shards) paths.push(await hubFile({ ...source, file }));
  return paths;
}

/** A file's path without its shard number and extension: `data/train` for `data/train-00000-of-00002.parquet`. */
const splitOf = (path: string): string => path.replace(/(-\d+-of-\d+)?(\.\w+)+$/, "");

const splitsOf = (tables: readonly string[]): string[] => [...new Set(tables.map(splitOf))];

function weighted(name: string): { place: string; weight?: number } {
  const [, place, weight] = /^(.+)=(\d*\.?\d+)$/.exec(name) ?? [];
  if (place === undefined || existsSync(name)) return { place: name };
  if (Number(weight) > 0) return { place, weight: Number(weight) };
  throw new UserError(`${name}: expected a weight above 0`, 2);
}

async function readSource(file: string): Promise<DataSource> {
  if (isJsonLines(file) || !isTable(file)) return sourceOf(file);
  const rows: Row[] = [];
  for await (const row of rowsOf(file)) rows.push(row);
  return { file, rows, text: linesOf(rows) };
}

const linesOf = (rows: readonly Row[]): string => rows.map(({ value }) => JSON.stringify(value)).join("\n");

/** Fills a source's rows from templates. @throws UserError */
function filled(source: DataSource, templates: Templates): DataSource {
  if (Object.keys(templates).length === 0) return source;
  if (!source.rows) throw new UserError(`${source.file}: a text file has no columns; expected a table or JSON lines`);
  const rows = source.rows.map((row) =>
    inFile(row.where, () => ({ ...row, value: fillTemplates(templates, row.value) })),
  );
  return { ...source, rows, text: linesOf(rows) };
}
