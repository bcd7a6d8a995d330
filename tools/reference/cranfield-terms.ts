/** Prints the terms of Cranfield's documents and queries as JSON, for bm25.py: `npx tsx tools/reference/cranfield-terms.ts FOLDER`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { termsOf } from "../../src/retrieval/analysis.ts";

/** The texts (`.W`) of a file's records. */
export function cranfieldTexts(folder: string, name: string): string[] {
  const records = readFileSync(join(folder, name), "utf8").split(/^\.I \d+\s*$/m);
  return records.slice(1).map((record) => record.split(/^\.W\s*$/m)[1] ?? "");
}

if (process.argv[1] === import.meta.filename) {
  const folder = process.argv[2];
  if (folder === undefined) throw new Error("expected FOLDER");
  const [documents, queries] = ["cran.all.1400", "cran.qry"].map((name) => cranfieldTexts(folder, name).map(termsOf));
  process.stdout.write(JSON.stringify({ documents, queries }));
}
