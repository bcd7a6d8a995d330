import type { z } from "zod";
import { few, UserError } from "../../util/errors.ts";

/** One row of a table, or one value of a list. */
export interface Row {
  /** File and line, for sentences. */
  readonly where: string;
  /** From 1: of the line in a text file, of the row in a table. */
  readonly number: number;
  readonly value: unknown;
}

/** The row as a schema has it. @throws UserError that names file, line and field, what was expected and what was got */
export function parseRow<T>(schema: z.ZodType<T>, { where, value }: Row): T {
  const result = schema.safeParse(value);
  if (result.success) return result.data;
  const { path, message } = result.error.issues[0]!;
  throw new UserError(
    `${where}: ${path.length > 0 ? `field "${path.join(".")}": ` : ""}${message}${insteadOf(path, value)}`,
  );
}

/** Which fields there are where the one that is wanted is not among them: of a table without a heading, its first row. */
function insteadOf([field]: readonly PropertyKey[], value: unknown): string {
  if (field === undefined || typeof value !== "object" || value === null || field in value) return "";
  return `; there is none, ${fieldsOf(value)}`;
}

/** The fields of a row, for sentences. */
export const fieldsOf = (value: object): string => `only ${few(Object.keys(value)) || "nothing"}`;
