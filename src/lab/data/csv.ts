import { type CsvError, parse } from "csv-parse/sync";
import { UserError } from "../../util/errors.ts";
import { textOf } from "./bytes.ts";
import type { Row } from "./row.ts";

/** The rows of a table in text (RFC 4180), whose first line names the columns; every value is a text. @throws UserError */
export async function* csvRows(path: string, delimiter: "," | "\t"): AsyncGenerator<Row> {
  const text = await textOf(path);
  for (const { record, info } of recordsOf(path, text, delimiter)) {
    const number = info.lines;
    yield { where: `${path}: line ${number}`, number, value: record };
  }
}

interface Parsed {
  record: Record<string, string>;
  info: { lines: number };
}

/** @throws when two columns have one name: the values of one would be lost */
function distinct(names: string[]): string[] {
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice === undefined) return names;
  throw new Error(`two columns are called ${JSON.stringify(twice)}`);
}

function recordsOf(path: string, text: string, delimiter: string): Parsed[] {
  // Tabs do without quoting: a quote is a mark like any other.
  const quote = delimiter === "\t" ? null : '"';
  try {
    return parse(text, { columns: distinct, bom: true, skip_empty_lines: true, info: true, delimiter, quote }) as never;
  } catch (error) {
    throw new UserError(`${path}: ${(error as CsvError).message}`);
  }
}
