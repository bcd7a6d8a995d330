import { few, suggest, UserError } from "../../util/errors.ts";

/** Templates for a sample's fields, with columns in braces: `Question: {question}`. */
export type Templates = Readonly<Record<string, string>>;

const COLUMN = /\{([^{}]+)\}/g;

/**
 * Fills a sample's fields from a row's columns. A template that consists of one column takes the column's value
 * unchanged, such as a chat's messages. A dot selects a field or an index inside a column.
 * @throws UserError for a column that is missing or empty
 */
export function fillTemplates(templates: Templates, row: unknown): Readonly<Record<string, unknown>> {
  const fill = (template: string): unknown => {
    const [, whole] = /^\{([^{}]+)\}$/.exec(template) ?? [];
    if (whole !== undefined) return valueAt(row, whole);
    return template.replaceAll(COLUMN, (_, column: string) => textOf(valueAt(row, column)));
  };
  return Object.fromEntries(Object.entries(templates).map(([field, template]) => [field, fill(template)]));
}

const textOf = (value: unknown): string => (typeof value === "string" ? value : JSON.stringify(value));

/** @throws UserError if the column is missing or empty */
function valueAt(row: unknown, column: string): unknown {
  const fields = fieldsOf(row);
  const found = column.split(".").reduce((value: unknown, key) => fieldsOf(value)[key], row);
  if (found !== undefined && found !== null) return found;
  const names = Object.keys(fields);
  const hint = names.includes(column) ? "; it is empty" : suggest(column, names) || `; it has ${few(names) || "none"}`;
  throw new UserError(`columns: expected a value in the column "${column}"${hint}`);
}

const fieldsOf = (value: unknown): Readonly<Record<string, unknown>> =>
  typeof value === "object" && value !== null ? { ...value } : {};
