/**
 * Writes articles of Wikipedia as documents for `modicum index add`, one JSON object a line.
 *
 *     npx tsx research/qzero/wikipedia-jsonl.ts leads > leads.jsonl
 *     npx tsx research/qzero/wikipedia-jsonl.ts FILE > slice.jsonl
 *
 * `leads` are those of a package; FILE is a dump as QZero extracts it, with lines `[[title]]` and `CATEGORIES: a, b`.
 */
import { readFile } from "node:fs/promises";
import { articlesOf, leads } from "./wikipedia.ts";

const [source] = process.argv.slice(2);
if (source === undefined) throw new Error("expected leads or FILE");
const documents = source === "leads" ? await leads(true) : articlesOf(await readFile(source, "utf8"));
process.stdout.write(documents.map((document) => `${JSON.stringify(document)}\n`).join(""));
process.stderr.write(`${documents.length} documents\n`);
