import { inFile, UserError } from "../errors.ts";
import { parsedJson } from "../parsed-json.ts";
import { linesOf, textOf } from "./bytes.ts";
import type { Row } from "./row.ts";

/** The values of a file of JSON lines; empty lines are skipped. @throws UserError with the line's number */
export async function* jsonLines(path: string): AsyncGenerator<Row> {
  let number = 0;
  for await (const line of linesOf(path)) {
    number++;
    if (line.trim() === "") continue;
    const where = `${path}: line ${number}`;
    yield { where, number, value: parsed(line, where) };
  }
}

/** The values of a file that is one JSON list. @throws UserError */
export async function* jsonList(path: string): AsyncGenerator<Row> {
  const values = parsed(await textOf(path), path);
  if (!Array.isArray(values)) throw new UserError(`${path}: expected a list of objects`);
  for (const [i, value] of values.entries()) yield { where: `${path}: entry ${i + 1}`, number: i + 1, value };
}

const parsed = (text: string, where: string): unknown => inFile(where, () => parsedJson(text));
