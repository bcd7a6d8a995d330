import { existsSync, readFileSync } from "node:fs";
import type { z } from "zod";
import { UserError } from "../util/errors.ts";

/** What a JSON file beside a model says; undefined when there is none. @throws UserError that names the file and what is wrong in it */
export function readJsonFile<S extends z.ZodType>(file: string, schema: S): z.output<S> | undefined {
  if (!existsSync(file)) return undefined;
  const result = schema.safeParse(json(file));
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0]!;
  throw new UserError(`${file}: ${path.length === 0 ? "" : `"${path.join(".")}": `}${message}`);
}

function json(file: string): unknown {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    throw new UserError(`${file}: this is not JSON`);
  }
}
