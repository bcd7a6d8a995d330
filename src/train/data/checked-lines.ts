import type { z } from "zod";
import { checked } from "../../util/checked.ts";
import { inFile, UserError } from "../../util/errors.ts";
import { readText } from "./files.ts";

/**
 * The values of a file of JSON lines, each of which has a schema; empty lines are passed over.
 * @throws UserError with the number of the first line that has not
 */
export const checkedLines = <S extends z.ZodType>(file: string, schema: S): z.output<S>[] =>
  readText(file)
    .split("\n")
    .flatMap((text, i) =>
      text.trim() === "" ? [] : [inFile(`${file}: line ${i + 1}`, () => checked(schema, parsed(text)))],
    );

function parsed(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UserError(`this is not JSON (${(error as Error).message})`);
  }
}
