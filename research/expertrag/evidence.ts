/**
 * Scores what a search found for the questions of research/expertrag/real/rows: the greatest cosine of bge-small and the greatest score
 * of ms-marco between a question and its three passages.
 *
 *     npx tsx research/expertrag/evidence.ts STORE
 *
 * STORE is a folder for an index of Wikipedia's first paragraphs by words. Appends a line a question to
 * research/expertrag/real/evidence.jsonl, and skips existing ones.
 */
import { appendFileSync } from "node:fs";
import { createIndex, load, openIndex } from "../../src/index.ts";
import { jsonRows } from "../first/json-rows.ts";
import { leads } from "../qzero/wikipedia.ts";
import { answeredRows, EVIDENCE, type EvidenceRow, keyOf } from "./evidence-rows.ts";

const [store = ""] = process.argv.slice(2);
const NAME = "wiki-leads";
const PASSAGES = 3;

const documents = await leads(false);
const textOf = new Map(documents.map(({ id, title, text }) => [String(id), `${title}\n${text}`]));
await using index = await openIndex(NAME, { store }).catch(() => createIndex(NAME, { store, embedding: "none" }));
await index.add(documents);
using encoder = await load("bge-small");
using reader = await load("ms-marco");

const done = new Set(jsonRows<EvidenceRow>(EVIDENCE).map(keyOf));
for (const { set, id, question } of answeredRows().filter((row) => !done.has(keyOf(row)))) {
  const { results } = await index.search(question, { top: PASSAGES });
  const passages = results.map((result) => textOf.get(result.id)!);
  const cosines = await encoder.relevance(question, passages, { truncate: true });
  const scores = await reader.relevance(question, passages, { truncate: true });
  const row: EvidenceRow = {
    ...{ set, id, titles: results.map(({ title }) => title) },
    "bge-small": scored(cosines),
    "ms-marco": scored(scores),
  };
  appendFileSync(EVIDENCE, `${JSON.stringify(row)}\n`);
}

function scored({ scores, receipt }: Awaited<ReturnType<typeof reader.relevance>>): EvidenceRow["ms-marco"] {
  return {
    scores: scores.map((score) => Number(score.toFixed(4))),
    gflops: Number((receipt.flops.spent / 1e9).toFixed(2)),
  };
}
