/**
 * Writes the first stages of Cranfield's queries as TREC runs: `npx tsx research/first/runs.ts FOLDER OUT`. BM25 ranks
 * all queries; a random order of its documents, and MiniLM, rank only the queries that the lab draws first.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { load } from "../../src/index.ts";
import { seededRandom, shuffle } from "../../src/util/random.ts";
import { type ItemOf, itemsOf } from "../common/tasks.ts";
import { indexSearcher } from "./searcher.ts";

/** Documents of a query: forty, and room for a source that is dropped. */
const TOP = 42;
const FEW = 25;

const [folder = "", out = ""] = process.argv.slice(2);
const items: ItemOf<"ranking">[] = [];
for await (const item of itemsOf("ranking", `cranfield:${folder}`)) items.push(item);
const { documents } = items[0]!;

mkdirSync(out, { recursive: true });
const search = indexSearcher(documents.map(({ text }) => text));
const byBm25 = (query: string) => search(query, TOP);
write("bm25", items, byBm25);
const random = seededRandom(1);
write("random", items.slice(0, FEW), (query) => shuffle([...byBm25(query)], random));
await dense();

/** A query's lines in a run, for documents best first; scores fall with the rank. */
function runLines(query: string, documents: readonly string[], tag: string): string {
  return documents.map((document, i) => `${query} Q0 ${document} ${i + 1} ${documents.length - i} ${tag}\n`).join("");
}

function write(tag: string, some: readonly ItemOf<"ranking">[], rank: (query: string) => readonly number[]): void {
  const lines = some.map(({ id, query }) =>
    runLines(
      id,
      rank(query).map((i) => documents[i]!.id),
      tag,
    ),
  );
  writeFileSync(join(out, `${tag}.run`), lines.join(""));
}

async function dense(): Promise<void> {
  using model = await load("minilm");
  const texts = documents.map(({ text }) => text);
  const { embeddings } = await model.embed([...texts, ...items.slice(0, FEW).map(({ query }) => query)]);
  const dot = (a: Float32Array, b: Float32Array) => a.reduce((sum, x, i) => sum + x * b[i]!, 0);
  const ranks = new Map(
    items.slice(0, FEW).map(({ query }, i) => {
      const own = embeddings[texts.length + i]!;
      const scores = texts.map((_, document) => dot(own, embeddings[document]!));
      return [query, [...scores.keys()].sort((a, b) => scores[b]! - scores[a]!).slice(0, TOP)] as const;
    }),
  );
  write("minilm", items.slice(0, FEW), (query) => ranks.get(query)!);
}
