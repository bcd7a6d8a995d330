import { UserError } from "./errors.ts";

/** The value of a JSON text. @throws UserError that says what is wrong with the text */
export function parsedJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new UserError(`this is not JSON (${(error as Error).message})`);
  }
}
