import { createHash } from "node:crypto";

/** The maximum share of a file's lines in earlier files. */
const SHARE = 0.5;

/**
 * Separates new files from exact or near duplicates: a duplicate has at least half of its lines with content, ignoring
 * white space, in earlier files.
 */
export class Duplicates {
  readonly #files = new Set<string>();
  readonly #lines = new Set<string>();

  /** True for a new file, which later ones are then compared with. */
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

/** Lines with at least three word characters, without white space: brackets and blank lines are common to all files. */
const normalised = (text: string): string[] =>
  text
    .split("\n")
    .map((line) => line.replace(/\s+/g, ""))
    .filter((line) => /\w.*\w.*\w/.test(line));
