import { resolve } from "node:path";
import { UserError } from "../../util/errors.ts";
import type { Document } from "../document.ts";
import { htmlDocument } from "./html.ts";
import { jsonDocuments } from "./jsonl.ts";
import { markdownDocument } from "./markdown.ts";
import { textDocument } from "./text.ts";

type Reader = (path: string) => AsyncIterable<Document>;

/** Readers by file extension, ignoring a final `.gz`. */
const readers: Readonly<Record<string, Reader>> = {
  jsonl: jsonDocuments,
  ndjson: jsonDocuments,
  md: markdownDocument,
  markdown: markdownDocument,
  html: htmlDocument,
  htm: htmlDocument,
  txt: textDocument,
  text: textDocument,
};

/** A file's full path, which identifies its documents when they are later removed. */
export const sourceOf = (file: string): string => resolve(file);

/**
 * Reads a file's documents by its extension: JSON lines (one document a line), Markdown, HTML or text (one document,
 * whose id is the path as passed).
 * @throws UserError that names the file, and the line and field of a bad document
 */
export function documentsIn(file: string): AsyncIterable<Document> {
  const end = /\.([a-z]+)(\.gz)?$/i.exec(file)?.[1]?.toLowerCase() ?? "";
  const reader = Object.hasOwn(readers, end) ? readers[end] : undefined;
  if (reader) return reader(file);
  const known = Object.keys(readers).map((name) => `.${name}`);
  throw new UserError(`${file}: expected a file whose name ends in ${known.join(", ")}, with or without .gz after it`);
}
