/**
 * Measures which experts serve retrieved answers and which serve memorised ones: `npx tsx
 * research/expertrag/closed-world/routing.ts SEED OUT`, after `answers.ts`. The router needs no sign of retrieval: its
 * token has attended to the passages. Writes OUT/routing.json, the mutual information of a question's branch and its
 * first expert where the answer begins, by layer, beside that of branches dealt out at random.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { reshape } from "../../../src/graph/index.ts";
import { openIndex } from "../../../src/index.ts";
import { mean } from "../../../src/util/mean.ts";
import { seededRandom, shuffle } from "../../../src/util/random.ts";
import { entropy, information } from "../../moe/information.ts";
import { readRouters } from "../../moe/routers.ts";
import { openings } from "./words.ts";
import { isTest, makeWorld, PASSAGES, plainPrompt, questionOf, readingPrompt } from "./world.ts";

/** The distribution of the first experts of a layer's answers. */
export interface Routing {
  readonly router: string;
  /** Mutual information of the branch and the expert, in bits; a branch has one bit. */
  readonly information: number;
  /** The same with the branches shuffled, the mean of 20. */
  readonly shuffled: number;
  /** Entropy of the experts' use in bits, of at most log2(experts). */
  readonly entropy: number;
}

const SHUFFLES = 20;

const [seedText = "1", out = ""] = process.argv.slice(2);
const world = makeWorld(Number(seedText));
await using index = await openIndex("world", { store: join(out, "index") });
const prompts: string[] = [];
for (const [i, fact] of world.facts.entries()) {
  if (!isTest(fact.entity)) continue;
  const question = questionOf(world, fact, i % openings.length);
  const { results } = await index.search(question, { by: "bm25", top: PASSAGES });
  const passages = results.map(({ text }) => text);
  prompts.push(plainPrompt(question), readingPrompt(passages, question));
}
const branches = prompts.map((_, i) => i % 2);
let lasts: readonly number[] = [];
let width = 0;
const logits = await readRouters(
  join(out, "model"),
  (tokenizer) => {
    const rows = prompts.map((prompt) => tokenizer.encode(prompt));
    width = Math.max(...rows.map(({ length }) => length));
    lasts = rows.map(({ length }) => length - 1);
    return { ids: rows.flatMap((row) => [...row, ...Array(width - row.length).fill(0)]), tokens: width };
  },
  (rows, experts) => ({ size: rows * width * experts, of: (x) => reshape(x, [rows * width * experts]) }),
);

const random = seededRandom(0);
const routing = Object.entries(logits).map(([router, values]): Routing => {
  const experts = values.length / prompts.length / width;
  const first = lasts.map((last, row) =>
    likeliest(values.subarray((row * width + last) * experts).subarray(0, experts)),
  );
  const dealt = Array.from({ length: SHUFFLES }, () => information(shuffle([...branches], random), first));
  return { router, information: information(branches, first), shuffled: mean(dealt), entropy: entropy(first) };
});
writeFileSync(join(out, "routing.json"), `${JSON.stringify(routing)}\n`);

function likeliest(logits: Float32Array): number {
  return logits.indexOf(Math.max(...logits));
}
