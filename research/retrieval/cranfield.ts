/**
 * Measures the rankers of a search index on the Cranfield collection: nDCG@10 by terms, by vectors and by both, beside
 * a random order. Documents that a query was taken from (judged −1) are kept, then dropped.
 *
 *     npx tsx research/retrieval/cranfield.ts FOLDER [--embedding minilm] [--limit 225]
 *
 * FOLDER has cran.all.1400, cran.qry and cranqrel. Writes research/retrieval/results/cranfield.json and the table of
 * docs/retrieval.md.
 */

import { join } from "node:path";
import { parseArgs } from "node:util";
import { createIndex, deleteIndex, type Ranker, type SearchIndex } from "../../src/index.ts";
import { bootstrap, pairedDelta } from "../../src/lab/metrics/bootstrap.ts";
import { ndcg } from "../../src/lab/metrics/index.ts";
import { seededRandom } from "../../src/util/random.ts";
import { keepJson } from "../../src/util/write-whole.ts";
import { root } from "../../tools/section.ts";
import { everyItem, type ItemOf, itemsOf } from "../common/tasks.ts";
import { type Arm, RESULT, writeTable } from "./page.ts";

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { embedding: { type: "string", default: "minilm" }, limit: { type: "string", default: "225" } },
});
const [folder] = positionals;
if (folder === undefined) throw new Error("expected FOLDER");
const metric = ndcg(10);
const say = (text: string) => process.stderr.write(`${text}\n`);

async function queriesOf(source: "keep" | "drop"): Promise<ItemOf<"ranking">[]> {
  const run = { ...everyItem, limit: Number(values.limit) };
  const items: ItemOf<"ranking">[] = [];
  for await (const item of itemsOf("ranking", `cranfield:${folder},source=${source}`, run)) items.push(item);
  return items;
}

const [kept, dropped] = [await queriesOf("keep"), await queriesOf("drop")];
const documents = kept[0]!.documents;

/** A query's numbers in nDCG. */
type Part = readonly number[];

/** Ranks every query's documents; deeper than the metric looks, since some are dropped. */
type Order = (query: string) => Promise<string[]>;

const searched =
  (index: SearchIndex, by: Ranker): Order =>
  async (query) =>
    (await index.search(query, { by, top: 30 })).results.map(({ id }) => id);

const random = seededRandom(0);
const shuffled: Order = async () =>
  documents
    .map(({ id }) => ({ id, at: random() }))
    .sort((a, b) => a.at - b.at)
    .map(({ id }) => id);

/** The part of a query; nDCG compares with no dense run. */
const partOf = (item: ItemOf<"ranking">, order: readonly string[]): Part => {
  const answer = { order };
  return metric.part(item, answer, answer);
};

async function partsOf(order: Order): Promise<{ kept: Part[]; dropped: Part[] }> {
  const parts: { kept: Part[]; dropped: Part[] } = { kept: [], dropped: [] };
  for (const [i, item] of kept.entries()) {
    const ranked = await order(item.query);
    const sources = new Set(dropped[i]!.documents.map(({ id }) => id));
    parts.kept.push(partOf(item, ranked));
    parts.dropped.push(
      partOf(
        dropped[i]!,
        ranked.filter((id) => sources.has(id)),
      ),
    );
  }
  return parts;
}

/** Measures the rankers of an index with chunks of `words` words, which is deleted afterwards. */
async function measured(embedding: string, words: number, rankers: readonly Ranker[]): Promise<Measured[]> {
  const name = `cranfield-${words}-measured`;
  const started = performance.now();
  await using index = await createIndex(name, { embedding, words });
  try {
    const onBatch = ({ added }: { added: number }) => say(`${words} words: ${added} more documents`);
    await index.add(
      documents.map(({ id, text }) => ({ id, text })),
      { onBatch },
    );
    say(`${words} words: ${Math.round((performance.now() - started) / 1000)} s`);
    const arms: Measured[] = [];
    for (const by of rankers) arms.push({ by, words, parts: await partsOf(searched(index, by)) });
    return arms;
  } finally {
    await deleteIndex(name);
  }
}

interface Measured {
  readonly by: Arm["by"];
  readonly words: number;
  readonly parts: { kept: Part[]; dropped: Part[] };
}

const WHOLE = 100_000;
const all: Measured[] = [
  ...(await measured("none", WHOLE, ["bm25"])),
  ...(await measured(values.embedding, 150, ["bm25", "dense", "hybrid"])),
  { by: "random", words: 150, parts: await partsOf(shuffled) },
];
const options = { seed: 0 };
const [base] = all;
const armOf = ({ by, words, parts }: Measured): Arm => {
  const of = (source: "kept" | "dropped") => ({
    ...bootstrap(parts[source], metric.quality, options),
    delta: pairedDelta(parts[source], base!.parts[source], metric.quality, options),
  });
  return { by, words, kept: of("kept"), dropped: of("dropped") };
};
await keepJson(join(root, RESULT), {
  command: `npx tsx research/retrieval/cranfield.ts FOLDER --embedding ${values.embedding}`,
  metric: metric.name,
  documents: documents.length,
  queries: kept.length,
  embedding: values.embedding,
  arms: all.map(armOf),
});
writeTable();
