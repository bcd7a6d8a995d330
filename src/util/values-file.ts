import { readFile } from "node:fs/promises";
import { UserError } from "./errors.ts";
import { readError } from "./system-errors.ts";

/**
 * The contents of a YAML or JSON file, by its extension; `what` names it in errors, e.g. "the recipe".
 * @throws UserError
 */
export async function readValues(file: string, what: string): Promise<unknown> {
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    throw readError(error, file);
  });
  // YAML is a superset of JSON, but its error messages would puzzle someone who wrote JSON.
  const parse: (text: string) => unknown = /\.ya?ml$/i.test(file) ? (await import("yaml")).parse : JSON.parse;
  try {
    return parse(text);
  } catch (error) {
    throw new UserError(`${what} ${file} cannot be read: ${(error as Error).message.split("\n")[0]}`);
  }
}
