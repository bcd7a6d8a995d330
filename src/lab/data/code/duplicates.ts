import { createHash } from "node:crypto";

/** The share of a file's lines that earlier files may have. */
const SHARE = 0.5;

/**
 * Tells files that are new from those that are the same, or nearly, as earlier ones: whose lines with content, white
 * space aside, are for half or more also in earlier files.
 */
export class Duplicates {
  readonly #files = new Set<string>();
  readonly #lines = new Set<string>();

  /** True for a file that is new, which later ones are then compared with. */
  add(text: string): boolean {
    const hash = createHash("sha256").update(text).digest("base64");
    if (this.#files.has(hash)) return false;
    const lines = new Set(normalised(text));
    let seen = 0;
    for (const line of lines) if (this.#lines.has(line)) seen++;
    if (seen >= SHARE * lines.size) return false;
    this.#files.add(hash);
    for (const line of lines) this.#lines.add(line);
    return true;
  }
}

/** Lines with at least three words' characters, white space aside: brackets and blank lines are everyone's. */
const normalised = (text: string): string[] =>
  text
    .split("\n")
    .map((line) => line.replace(/\s+/g, ""))
    .filter((line) => /\w.*\w.*\w/.test(line));
