import { existsSync } from "node:fs";
import { z } from "zod";
import { checked } from "../util/checked.ts";
import { inFile, KeptFault, UserError } from "../util/errors.ts";
import { isObject, type JsonObject, parseJson } from "./json.ts";
import { withFile } from "./read-file.ts";

/** The maximum size of a JSON file; an index of 100,000 tensors takes about 10 MB. */
const MOST_BYTES = 2 ** 25;

/** Accepts any object. */
export const jsonObject = z.custom<JsonObject>(isObject, "expected an object");

/** The schema of an artefact's SHA-256. */
export const sha256 = z.string().regex(/^[0-9a-f]{64}$/, "expected 64 hexadecimal digits");

/**
 * Reads a JSON file and validates it against `schema`. `what` describes the expected file if it is missing. @throws
 * UserError that names the file, if it is missing, unreadable, too large, not JSON, or has an invalid field
 */
export function readJson<S extends z.ZodType>(file: string, schema: S, what: string, most = MOST_BYTES): z.output<S> {
  if (!existsSync(file)) throw new UserError(`${file}: there is no such file, expected ${what}`);
  const value = contentsOf(file, most);
  return inFile(file, () => checked(schema, value));
}

/** Like `readJson`; undefined if the file is missing. */
export function readOptionalJson<S extends z.ZodType>(file: string, schema: S): z.output<S> | undefined {
  return existsSync(file) ? readJson(file, schema, "") : undefined;
}

/** Like `readOptionalJson`, for a file of this program. @throws KeptFault */
export function readKeptJson<S extends z.ZodType>(file: string, schema: S): z.output<S> | undefined {
  try {
    return readOptionalJson(file, schema);
  } catch (error) {
    throw error instanceof UserError ? new KeptFault(error.message) : error;
  }
}

function contentsOf(file: string, most: number): unknown {
  const value = withFile(file, ({ size, read }) => {
    if (size > most) throw new UserError(`${file}: the file has ${size} bytes; the limit is ${most}`);
    return parseJson(read(0, size));
  });
  if (value === undefined) throw new UserError(`${file}: this is not JSON`);
  return value;
}
