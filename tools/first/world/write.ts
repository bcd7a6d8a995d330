/** Writes lists of the world of words to train on: `npx tsx tools/first/world/write.ts OUT [LISTS [PASSAGES]]`. */
import { writeFileSync } from "node:fs";
import { gradedLists, rankingOf } from "./lists.ts";

const [out = "", count = "400", passages = "10"] = process.argv.slice(2);
const lines = gradedLists(1, Number(count), Number(passages)).map((list) =>
  JSON.stringify({ query: list.query, documents: list.documents, ranking: rankingOf(list) }),
);
writeFileSync(out, `${lines.join("\n")}\n`);
