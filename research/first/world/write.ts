/** Writes lists of the world of words to train on: `npx tsx research/first/world/write.ts OUT LISTS`. */
import { writeFileSync } from "node:fs";
import { gradedLists, rankingOf } from "./lists.ts";

const [out = "", count = ""] = process.argv.slice(2);
const lines = gradedLists(1, Number(count)).map((list) =>
  JSON.stringify({ query: list.query, documents: list.documents, ranking: rankingOf(list) }),
);
writeFileSync(out, `${lines.join("\n")}\n`);
