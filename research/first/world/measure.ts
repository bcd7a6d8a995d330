/**
 * Measures rerankers in the world of words: `npx tsx research/first/world/measure.ts MODELS [RUNS [STAGES [LISTS]]]`. MODELS are
 * separated by commas: `untrained`, or names of runs in the folder RUNS, such as joint-0. Appends a line for each model and
 * first stage to research/first/results/world/rows.jsonl, and one of what the model's order follows; what is there is skipped.
 */
import { appendFileSync } from "node:fs";
import { join } from "node:path";
import { openReranker, type RerankPipeline } from "../../../src/index.ts";
import { ndcg } from "../../../src/lab/metrics/index.ts";
import { mean } from "../../../src/util/mean.ts";
import { seededRandom } from "../../../src/util/random.ts";
import { root } from "../../../tools/section.ts";
import { jsonRows } from "../json-rows.ts";
import { tau } from "../tau.ts";
import { type GradedList, gradedLists, PASSAGES } from "./lists.ts";

/** Each list's nDCG under a model. */
export interface StageRow {
  readonly model: string;
  readonly stage: string;
  /** By the first 3 passages, and by all ten. */
  readonly ndcg: Readonly<Record<"3" | "10", readonly number[]>>;
  /** Tokens and FLOPs of a list, on the mean. */
  readonly decoded: number;
  readonly flops: number;
}

/** Checks that the orders of a window of ten follow its passages. */
export interface CheckRow {
  readonly model: string;
  /** Kendall's correlation of one token's order with the written one, by list. */
  readonly written: readonly number[];
  /** By list: the mean number of places that a passage moves if the list is read from its end. */
  readonly moved: readonly number[];
  /** By list: true if swapping the texts of the best and worst passage also swaps their ranks. */
  readonly swapped: readonly boolean[];
}

export const FILE = join(root, "research/first/results/world/rows.jsonl");
/** Lists that are checked. */
const CHECKED = 20;
/** Seeds of lists that no training drew. */
const [RANKED, CHECKS] = [9001, 9002];

/** First stages rank by the grades plus noise of this deviation. */
const STAGES = { random: Number.POSITIVE_INFINITY, weak: 6, strong: 2 } as const;

type Stage = keyof typeof STAGES;
function isStage(name: string): name is Stage {
  if (Object.hasOwn(STAGES, name)) return true;
  throw new Error(`the first stage is ${name}, expected ${Object.keys(STAGES).join(", ")}`);
}

const [models = "", runs = "", stages = "random", lists = "40"] = process.argv.slice(2);
async function main(): Promise<void> {
  const done = new Set(jsonRows<StageRow | CheckRow>(FILE).map(keyOf));
  const add = async (key: string, row: () => Promise<StageRow | CheckRow> | StageRow) => {
    if (!done.has(key)) appendFileSync(FILE, `${JSON.stringify(await row())}\n`);
    process.stderr.write(`${key}\n`);
  };
  for (const stage of stages.split(",").filter(isStage)) {
    await add(`first-stage ${stage}`, () => firstStage(stage));
    for (const model of models.split(",")) await add(`${model} ${stage}`, () => ranked(model, stage));
  }
  for (const model of models.split(",")) await add(`${model} checks`, () => checks(model));
}

const keyOf = (row: StageRow | CheckRow): string => `${row.model} ${"stage" in row ? row.stage : "checks"}`;

/** Lists in the order of a first stage. */
function staged(stage: Stage): GradedList[] {
  const random = seededRandom(RANKED);
  return gradedLists(RANKED, Number(lists)).map(({ query, documents, grades }) => {
    const noise = STAGES[stage];
    const scores = grades.map((grade) => grade / noise + random());
    const order = [...grades.keys()].toSorted((a, b) => scores[b]! - scores[a]!);
    return { query, documents: order.map((i) => documents[i]!), grades: order.map((i) => grades[i]!) };
  });
}

function firstStage(stage: Stage): StageRow {
  const lists = staged(stage).map((list) => ({ list, order: [...list.grades.keys()] }));
  return { model: "first-stage", stage, ...judged(lists), decoded: 0, flops: 0 };
}

function opened(model: string, method: string): Promise<RerankPipeline> {
  const adapter = model === "untrained" ? undefined : join(runs, model);
  return openReranker(`smollm2+first@windowSize=${PASSAGES},presort=none,adapter=none,method=${method}`, { adapter });
}

async function ranked(model: string, stage: Stage): Promise<StageRow> {
  using ranker = await opened(model, "single-token");
  const found = [];
  for (const list of staged(stage)) found.push({ list, ...(await ranker.rerank(list.query, list.documents)) });
  const decoded = mean(found.map(({ receipt }) => (receipt.work!["decoded"] as { run: number }).run));
  return { model, stage, ...judged(found), decoded, flops: mean(found.map(({ receipt }) => receipt.flops.spent)) };
}

function judged(found: readonly { readonly list: GradedList; readonly order: readonly number[] }[]) {
  const at = (k: number) =>
    found.map(({ list: { query, grades }, order }) => {
      const relevance = Object.fromEntries(grades.entries());
      const ids = { order: order.map(String) };
      return ndcg(k).part({ kind: "ranking", id: query, query, documents: [], relevance }, ids, ids)[0]!;
    });
  return { ndcg: { 3: at(3), 10: at(10) } };
}

async function checks(model: string): Promise<CheckRow> {
  using reads = await opened(model, "single-token");
  using writes = await opened(model, "generate");
  const row = { model, written: [] as number[], moved: [] as number[], swapped: [] as boolean[] };
  for (const { query, documents, grades } of gradedLists(CHECKS, CHECKED)) {
    const { order } = await reads.rerank(query, documents);
    row.written.push(tau(order, (await writes.rerank(query, documents)).order));
    const reversed = (await reads.rerank(query, documents.toReversed())).order.map((i) => documents.length - 1 - i);
    row.moved.push(mean(order.map((i, at) => Math.abs(reversed.indexOf(i) - at))));
    const [best, worst] = [grades.indexOf(Math.max(...grades)), grades.indexOf(Math.min(...grades))];
    const texts = documents.with(best, documents[worst]!).with(worst, documents[best]!);
    const after = (await reads.rerank(query, texts)).order;
    row.swapped.push(after.indexOf(worst) < after.indexOf(best) && order.indexOf(best) < order.indexOf(worst));
  }
  return row;
}

if (models !== "") await main();
