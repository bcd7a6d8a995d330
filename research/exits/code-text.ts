/**
 * Writes the text that `packages/models/code-tiny` is trained on: the first files of the corpus in ASCII, about 2.6 million
 * characters of them.
 *
 *     npx tsx research/exits/code-text.ts CODE/python-train.jsonl code.txt
 */
import { readFileSync, writeFileSync } from "node:fs";

const [from = "", to = ""] = process.argv.slice(2);
const MOST = 2.6e6;

const ascii = readFileSync(from, "utf8")
  .split("\n")
  .filter(Boolean)
  .map((line) => (JSON.parse(line) as { text: string }).text)
  .filter((text) => !/[^\0-\x7f]/.test(text));
const texts: string[] = [];
for (let length = 0, i = 0; length <= MOST && i < ascii.length; i++) {
  texts.push(`${ascii[i]}\n\n`);
  length += ascii[i]!.length;
}
writeFileSync(to, texts.join(""));
