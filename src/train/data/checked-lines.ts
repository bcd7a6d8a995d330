import type { z } from "zod";
import { checked } from "../../util/checked.ts";
import { inFile } from "../../util/errors.ts";
import { parsedJson } from "../../util/parsed-json.ts";
import { readText } from "./files.ts";

/**
 * The values of a file of JSON lines, each of which has a schema; empty lines are passed over.
 * @throws UserError with the number of the first line that has not
 */
export const checkedLines = <S extends z.ZodType>(file: string, schema: S): z.output<S>[] =>
  readText(file)
    .split("\n")
    .flatMap((text, i) =>
      text.trim() === "" ? [] : [inFile(`${file}: line ${i + 1}`, () => checked(schema, parsedJson(text)))],
    );
