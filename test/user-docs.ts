import { documentation } from "../tools/figure-sources.ts";

/** The pages that users read: README.md and docs/, without the log and what is generated. */
export const userDocs = (): string[] =>
  documentation().filter(
    (page) =>
      page === "README.md" ||
      (page.startsWith("docs/") && page !== "docs/log.md" && !page.startsWith("docs/reference/")),
  );

/**
 * The words of a page: whatever has a letter or a digit between spaces. Generated sections are not counted, nor is JSON,
 * whose spaces are the formatter's.
 */
export const wordsOf = (page: string): number =>
  page
    .replace(/<!-- ([\w-]+): written by.*?<!-- \/\1 -->/gs, "")
    .replace(/^```json\n.*?^```$/gms, "")
    .split(/\s+/)
    .filter((word) => /[A-Za-z0-9]/.test(word)).length;
