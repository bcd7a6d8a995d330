import { type CsvError, parse } from "csv-parse/sync";
import { UserError } from "../errors.ts";
import { textOf } from "./bytes.ts";
import type { Row } from "./row.ts";

/** The rows of a CSV table (RFC 4180). The first line names the columns; every value is a string. @throws UserError */
export async function* csvRows(path: string, delimiter: "," | "\t"): AsyncGenerator<Row> {
  const text = await textOf(path);
  for (const { record, info } of recordsOf(path, text, delimiter)) {
    const number = info.lines;
    yield { where: `${path}: line ${number}`, number, value: record };
  }
}

interface ParsedRow {
  record: Record<string, string>;
  info: { lines: number };
}

/** @throws if two columns share a name: the values of one would be lost */
function distinct(names: string[]): string[] {
  const twice = names.find((name, i) => names.indexOf(name) !== i);
  if (twice === undefined) return names;
  throw new Error(`two columns are called ${JSON.stringify(twice)}`);
}

function recordsOf(path: string, text: string, delimiter: string): ParsedRow[] {
  // TSV has no quoting: a quote is an ordinary character.
  const quote = delimiter === "\t" ? null : '"';
  try {
    return parse(text, { columns: distinct, bom: true, skip_empty_lines: true, info: true, delimiter, quote }) as never;
  } catch (error) {
    throw new UserError(`${path}: ${faultOf(error as CsvError)}`);
  }
}

/** The parser's own messages about quotes do not say what was expected. */
function faultOf({ code, message, lines }: CsvError): string {
  const fault = code && quoting[code.replace(/^CSV_/, "")];
  return fault ? `line ${lines}: ${fault}` : message;
}

const quoting: Readonly<Record<string, string>> = {
  INVALID_OPENING_QUOTE:
    "a value contains a quote but does not begin with one; put the whole value in quotes and double the quotes inside it",
  INVALID_CLOSING_QUOTE:
    "a value continues after its closing quote; expected a comma or the end of the line; double the quotes inside a value",
  QUOTE_NOT_CLOSED: "a value begins with a quote that is never closed",
};
