import { createHash } from "node:crypto";

/** The maximum share of a file's lines that earlier files may contain. */
const SHARE = 0.5;

/**
 * Detects exact and near duplicates: files with at least half of their non-trivial lines, ignoring white space, in
 * earlier files.
 */
export class Duplicates {
  readonly #files = new Set<string>();
  readonly #lines = new Set<string>();

  /** Returns true for a new file, and compares later files with it. */
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

/**
 * The non-trivial lines (at least three word characters) without white space: all files share brackets and blank lines.
 */
const normalised = (text: string): string[] =>
  text
    .split("\n")
    .map((line) => line.replace(/\s+/g, ""))
    .filter((line) => /\w.*\w.*\w/.test(line));
