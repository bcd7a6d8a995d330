import { basename, normalize } from "node:path";
import { textOf } from "../../util/data/bytes.ts";
import { type Document, documentSchema } from "../document.ts";

/** Makes one document from a file; without a title, the file's name is the title. */
export function wholeFile(path: string, { title, text }: { title: string; text: string }): Document {
  const name = basename(path).replace(/(\.[a-z]+)(\.gz)?$/i, "");
  return documentSchema.parse({ id: normalize(path), title: title || name, text });
}

export async function* textDocument(path: string): AsyncGenerator<Document> {
  yield wholeFile(path, { title: "", text: (await textOf(path)).replace(/^\ufeff/, "") });
}
