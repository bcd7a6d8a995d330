import { jsonLines } from "../../util/data/jsonl.ts";
import { parseRow, type Row } from "../../util/data/row.ts";
import { type Document, documentSchema } from "../document.ts";

/**
 * Reads documents from JSON lines, `{ id, title, text, categories, metadata }`; only `text` is required. BEIR's `_id`
 * is also read as an id. Without an id, the file and line number identify a document.
 * @throws UserError that names the line and the field
 */
export async function* jsonDocuments(path: string): AsyncGenerator<Document> {
  for await (const row of jsonLines(path)) yield parseRow(documentSchema, named(row, path));
}

function named(row: Row, path: string): Row {
  const { value, number } = row;
  if (typeof value !== "object" || value === null || "id" in value) return row;
  const id = "_id" in value ? value._id : `${path}:${number}`;
  return { ...row, value: { ...value, id } };
}
