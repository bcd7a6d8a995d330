/**
 * Times rankers on the first queries of Cranfield: `npx tsx research/ranking/timing.ts CRANFIELD STORE [ARMS [QUERIES]]`, with the
 * places of research/ranking/measure.ts, whose rows say what an arm reorders. Writes
 * an arm a line into research/ranking/results/ms.jsonl, in place of an earlier one.
 */
import { writeFileSync } from "node:fs";
import { openArm } from "./arms.ts";
import { collectionOf } from "./collections.ts";
import { earlierOf, rowsOf, TIMINGS, type Timing, timings } from "./rows.ts";

const USUAL =
  "bm25,minilm,bge-small,minilm+bm25,bge-small+bm25,minilm+bm25>minilm,minilm+bm25>ms-marco,minilm+bm25>colbert-small,minilm+bm25>first,minilm+bm25>qwen";
const [folder = "", store = "", arms = USUAL, queries = "3"] = process.argv.slice(2);
const collection = await collectionOf("cranfield", folder);
const orders = new Map(rowsOf("cranfield").map(({ arm, query, order }) => [`${arm} ${query}`, order]));

for (const arm of arms.split(",")) {
  await using ranker = await openArm(arm, collection, store);
  const rank = async (query: (typeof collection.queries)[number]): Promise<number> => {
    const started = performance.now();
    await ranker.rank(query, orders.get(`${earlierOf(arm)} ${query.id}`) ?? []);
    return Number((performance.now() - started).toFixed(2));
  };
  // The first query compiles programs.
  const [first, ...others] = collection.queries.slice(0, 1 + Number(queries));
  await rank(first!);
  const ms: number[] = [];
  for (const query of others) ms.push(await rank(query));
  const timing: Timing = { arm, threads: Number(process.env["MODICUM_THREADS"] ?? 0), ms };
  const lines = [...timings().filter((one) => one.arm !== arm), timing].map((one) => JSON.stringify(one));
  writeFileSync(TIMINGS, `${lines.join("\n")}\n`);
  process.stderr.write(`${arm}: ${ms.join(", ")} ms\n`);
}
