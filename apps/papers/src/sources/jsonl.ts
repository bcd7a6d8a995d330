import { UserError } from "modicum";
import { arxivId } from "../identity.ts";
import { checked, Entries, type Entry, entrySchema, type Parsed } from "./source.ts";

/** Reads papers from JSON lines with the fields of `paperInputSchema`; null means unknown. */
export function parseJsonLines(text: string): Parsed {
  const found = new Entries();
  for (const [i, line] of text.split("\n").entries())
    if (line.trim() !== "") found.add(`line ${i + 1}`, () => inputOf(objectIn(line)));
  return found;
}

function objectIn(line: string): object {
  const value = parsed(line);
  if (typeof value !== "object" || value === null) throw new UserError("expected an object");
  return Object.fromEntries(Object.entries(value).filter(([, each]) => each !== null));
}

/** @throws UserError */
export function parsed(json: string): unknown {
  try {
    return JSON.parse(json);
  } catch (error) {
    throw new UserError(`this is not JSON (${(error as Error).message})`);
  }
}

function inputOf(value: object): Entry {
  const fields = checked(entrySchema, value);
  const arxiv = fields.arxiv && arxivId(fields.arxiv);
  if (fields.arxiv && !arxiv) throw new UserError(`arxiv: expected an id such as 2503.16428, got "${fields.arxiv}"`);
  return { ...fields, arxiv };
}
