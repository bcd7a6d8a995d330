/**
 * Writes documents that no training of a model's shipped dynamax exits has read, to certify thresholds on:
 *
 *     npx tsx research/exits/fresh-documents.ts --model smollm2 --tokens 60000 --texts wikipedia.jsonl --count 500 --out fresh.jsonl
 *
 * `--tokens` and `--texts` (which may be repeated) are those of the training; `--more` adds files of texts of the same kind. `--lines`
 * cuts so many lines out of each text, at a random place: files of source code begin alike.
 */
import { writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { load } from "../../src/index.ts";
import { documentsOf } from "../../src/train/methods/exit-heads/corpus.ts";
import { freshDocuments } from "./fresh.ts";

const text = { type: "string" } as const;
const many = { type: "string", multiple: true } as const;
const { values } = parseArgs({
  options: { model: text, tokens: text, texts: many, more: many, lines: text, count: text, out: text },
});
const { model: name, tokens, texts, more = [], lines, count, out } = values;
if (!name || !tokens || !texts || !count || !out)
  throw new Error("expected --model, --tokens, --texts, --count and --out");

using model = await load(name);
const documents = freshDocuments(name, model.language.tokenizer, {
  ...{ texts: documentsOf(texts), tokens: Number(tokens), more: documentsOf(more) },
  lines: lines === undefined ? undefined : Number(lines),
});
const chosen = documents.slice(0, Number(count));
writeFileSync(out, chosen.map((each) => `${JSON.stringify({ text: each })}\n`).join(""));
process.stderr.write(`${out}: ${chosen.length} of ${documents.length} documents\n`);
