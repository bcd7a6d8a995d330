import { createHash } from "node:crypto";
import { UserError } from "../../util/errors.ts";
import { utf8 } from "../../weights/json.ts";
import { withFile } from "../../weights/read-file.ts";

/** The maximum length of a text in V8, rounded. */
const MOST_BYTES = 2 ** 29 - 2 ** 10;

/** Reads a file's text. @throws UserError if it cannot be read, is too large, or is not UTF-8 */
export function readText(file: string): string {
  const bytes = withFile(file, ({ size, read }) => {
    if (size > MOST_BYTES)
      throw new UserError(`${file}: the file has ${size} bytes, expected at most ${MOST_BYTES}; split it`);
    return read(0, size);
  });
  const text = utf8(bytes);
  if (text === undefined) throw new UserError(`${file}: expected text in UTF-8`);
  return text.replace(/^\ufeff/, "");
}

/** The SHA-256 of texts, in hexadecimal. */
export function hashOf(texts: Iterable<string>): string {
  const hash = createHash("sha256");
  for (const text of texts) hash.update(`${text.length}:`).update(text);
  return hash.digest("hex");
}

/** True if a file's name marks it as JSON Lines. */
export const isJsonLines = (file: string): boolean => /\.(jsonl|ndjson)$/i.test(file);
