/**
 * Measures rankers on three collections: `npx tsx research/ranking/measure.ts CRANFIELD STORE [COLLECTION [ARMS
 * [QUERIES]]]`. CRANFIELD is the collection's folder, STORE one for indexes, which are kept. Without ARMS, all that the
 * page has. Appends one line per arm and query to research/ranking/results, and skips existing ones, so a stopped run
 * resumes.
 */
import { appendFileSync } from "node:fs";
import { ndcg } from "../../src/lab/metrics/index.ts";
import { openArm } from "./arms.ts";
import { type Collection, collectionNames, collectionOf, type Query } from "./collections.ts";
import { ARMS, earlierOf, fileOf, type Row, rowsOf } from "./rows.ts";

const [folder = "", store = "", collections = collectionNames.join(","), arms, queries = "1000"] =
  process.argv.slice(2);

/** The adapter of `first` was trained on SQuAD's questions, and Qwen reads Cranfield alone. */
const armsOf = ({ name }: Collection): readonly string[] => {
  if (arms) return arms.split(",");
  return ARMS.filter((arm) => name === "cranfield" || !arm.endsWith(">qwen")).filter(
    (arm) => name !== "squad" || !arm.endsWith(">first"),
  );
};

/** nDCG@10, which compares with no dense run. */
function qualityOf({ id, text, relevance }: Query, order: readonly string[]): number {
  const answer = { order };
  return ndcg(10).part({ kind: "ranking", id, query: text, documents: [], relevance }, answer, answer)[0]!;
}

async function run(arm: string, collection: Collection): Promise<void> {
  const rows = new Map(rowsOf(collection.name).map((row) => [`${row.arm} ${row.query}`, row]));
  const missing = collection.queries.slice(0, Number(queries)).filter(({ id }) => !rows.has(`${arm} ${id}`));
  if (missing.length === 0) return;
  await using ranker = await openArm(arm, collection, store);
  for (const query of missing) {
    const earlier = earlierOf(arm);
    const { order, gflops } = await ranker.rank(query, rows.get(`${earlier} ${query.id}`)?.order ?? []);
    const row: Row = { arm, query: query.id, order, ndcg: round(qualityOf(query, order)), gflops };
    appendFileSync(fileOf(collection.name), `${JSON.stringify(row)}\n`);
  }
  process.stderr.write(`${collection.name}: ${arm}\n`);
}

const round = (value: number): number => Math.round(value * 1e6) / 1e6;

for (const name of collectionNames.filter((one) => collections.split(",").includes(one))) {
  const collection = await collectionOf(name, folder);
  for (const arm of armsOf(collection)) await run(arm, collection);
}
