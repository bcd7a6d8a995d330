import type { z } from "zod";
import { few, UserError } from "../errors.ts";

/** One row of a table, or one value of a list. */
export interface Row {
  /** The file and line, for error messages. */
  readonly where: string;
  /** The line of a text file or the row of a table, counted from 1. */
  readonly number: number;
  readonly value: unknown;
}

/** The number of characters of an unexpected value that errors show. */
const SHOWN = 60;

/**
 * The row as the schema parses it.
 * @throws UserError that names file, line and field, the expected and the actual value
 */
export function parseRow<T>(schema: z.ZodType<T>, { where, value }: Row): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0]!;
  const field = path.length > 0 ? `field "${path.join(".")}": ` : "";
  throw new UserError(`${where}: ${field}${message}${/\bgot\b/.test(message) ? "" : insteadOf(path, value)}`);
}

/** All rows as the schema parses them. @throws UserError as `parseRow` does */
export async function parseRows<T>(schema: z.ZodType<T>, rows: AsyncIterable<Row>): Promise<T[]> {
  const all: T[] = [];
  for await (const row of rows) all.push(parseRow(schema, row));
  return all;
}

/** The actual value or, if the field is missing, the existing fields (the first row if a table has no heading). */
function insteadOf(path: readonly PropertyKey[], value: unknown): string {
  const [field] = path;
  if (field === undefined || typeof value !== "object" || value === null) return "";
  if (!(field in value)) return `; found no such field, ${fieldsOf(value)}`;
  const got = path.reduce((at, key) => (at as Record<PropertyKey, unknown>)?.[key], value as unknown);
  return `, got ${shown(got)}`;
}

function shown(value: unknown): string {
  const text = JSON.stringify(value) ?? "nothing";
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}

/** The fields of a row, for error messages. */
export const fieldsOf = (value: object): string => `only ${few(Object.keys(value)) || "nothing"}`;
