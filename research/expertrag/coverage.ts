/**
 * Counts for how many questions of TriviaQA and NQ-open the best passages of an index have an answer, and writes
 * `research/expertrag/real/coverage.json`: `npx tsx research/expertrag/coverage.ts [INDEX]`.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { openIndex } from "../../src/index.ts";
import { root } from "../../tools/section.ts";
import { holds, questionsOf } from "./questions.ts";

const DEPTHS = [1, 3, 10];
const name = process.argv[2] ?? "wiki-leads";
await using index = await openIndex(name);
const { documents } = await index.counts();
const sets: Record<string, Record<string, number>> = {};
for (const set of ["triviaqa", "nq-open"] as const) {
  const questions = await questionsOf(set);
  const found = DEPTHS.map(() => 0);
  for (const { question, answers } of questions) {
    const { results } = await index.search(question, { top: DEPTHS.at(-1)! });
    const place = results.findIndex(({ title, text }) => holds(`${title} ${text}`, answers));
    for (const [i, depth] of DEPTHS.entries()) if (place >= 0 && place < depth) found[i]!++;
  }
  const shares = DEPTHS.map((depth, i) => [`top_${depth}`, found[i]! / questions.length]);
  sets[set] = { questions: questions.length, ...Object.fromEntries(shares) };
}
const file = join(root, "research/expertrag/real/coverage.json");
writeFileSync(file, `${JSON.stringify({ index: name, documents, by: index.usual, sets }, null, 1)}\n`);
