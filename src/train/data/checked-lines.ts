import type { z } from "zod";
import { checked } from "../../util/checked.ts";
import { inFile } from "../../util/errors.ts";
import { parsedJson } from "../../util/parsed-json.ts";
import { readText } from "./files.ts";

/**
 * Reads the values of a JSON Lines file, validated against a schema; empty lines are skipped.
 * @throws UserError with the number of the first invalid line
 */
export const checkedLines = <S extends z.ZodType>(file: string, schema: S): z.output<S>[] =>
  readText(file)
    .split("\n")
    .flatMap((text, i) =>
      text.trim() === "" ? [] : [inFile(`${file}: line ${i + 1}`, () => checked(schema, parsedJson(text)))],
    );
