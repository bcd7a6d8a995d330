/**
 * Rerankers of one model on the candidates of a first stage: `npx tsx research/first/arms.ts COLLECTION FIRST QUERIES TOP
 * ARMS [RUNS [SOURCE]]`. COLLECTION is Cranfield's folder, with FIRST a run of research/first/results/runs, or boolq, with FIRST
 * bm25. RUNS is a folder of research/first/train.ts. Arms are separated by commas: first-stage, random, cosine, yes-no, and
 * TRAINING.METHOD[.ORDER] with the adapter RUNS/TRAINING, or none for `untrained`: `joint-0.single-token`, `lm-1.generate`,
 * `joint-0.single-token.reversed`. Appends a line an arm and query to research/first/results/FIRST-TOP[-SOURCE].jsonl, or
 * …/boolq-TOP.jsonl, and skips existing ones.
 */
import { appendFileSync, mkdirSync } from "node:fs";
import { join } from "node:path";
import { load, type Model, openReranker, type Receipt, type RerankPipeline } from "../../src/index.ts";
import { ndcg } from "../../src/lab/metrics/index.ts";
import { byScore } from "../../src/pipelines/first/order.ts";
import { seededRandom, shuffle } from "../../src/util/random.ts";
import { everyItem, type ItemOf, itemsOf } from "../common/tasks.ts";
import { boolqItems } from "./boolq.ts";
import { jsonRows } from "./json-rows.ts";

type RankingItem = ItemOf<"ranking">;

/** A query under an arm. */
export interface Row {
  readonly arm: string;
  readonly query: string;
  readonly order: readonly string[];
  /** nDCG@10. */
  readonly ndcg: number;
  readonly ms: Receipt["ms"];
  readonly flops: Receipt["flops"];
  readonly tokens: Receipt["tokens"];
  readonly decoded?: { readonly dense: number; readonly run: number };
  /** Each window's letters, best first, and their order in the prompt's logits. */
  readonly windows?: readonly { readonly order: string; readonly byLogit: string; readonly text?: string }[];
}

interface Ordered extends Pick<Row, "decoded" | "windows"> {
  readonly order: readonly number[];
  readonly receipt?: Receipt;
}

const [collection = "", first = "bm25", queries = "25", top = "20", arms = "", runs = "", source = "drop"] =
  process.argv.slice(2);
const OUT = "research/first/results";
const name = collection === "boolq" ? collection : first;
const file = `${OUT}/${name}-${top}${source === "drop" ? "" : `-${source}`}.jsonl`;
/** Windows of the size that the adapters were trained on. */
const WINDOWS = "windowSize=10,stride=5,maxPassageWords=24,presort=none,adapter=none";

async function main(): Promise<void> {
  mkdirSync(OUT, { recursive: true });
  const items = await (collection === "boolq" ? boolqItems(Number(queries), Number(top)) : cranfieldItems());
  const done = new Set(jsonRows<Row>(file).map(({ arm, query }) => `${arm} ${query}`));
  for (const arm of arms.split(",")) {
    const remaining = items.filter(({ id }) => !done.has(`${arm} ${id}`));
    if (remaining.length > 0) await runArm(arm, remaining);
  }
}

async function cranfieldItems(): Promise<RankingItem[]> {
  const spec = `cranfield:${collection},candidates=${OUT}/runs/${first}.run,top=${top},words=64,source=${source}`;
  const items: RankingItem[] = [];
  for await (const item of itemsOf("ranking", spec, { ...everyItem, limit: Number(queries) })) items.push(item);
  return items;
}

async function runArm(arm: string, items: readonly RankingItem[]): Promise<void> {
  const { rank, close } = await opened(arm);
  for (const item of items) {
    const found = await rank(item);
    appendFileSync(file, `${JSON.stringify(rowOf(arm, item, found))}\n`);
    process.stderr.write(`${arm} ${item.id} ${found.receipt?.ms.total.toFixed(0)} ms\n`);
  }
  close();
}

function rowOf(arm: string, item: RankingItem, { order, receipt, ...more }: Ordered): Row {
  const ids = order.map((i) => item.documents[i]!.id);
  const zero = { dense: 0, spent: 0, overhead: 0, saved: 0 };
  return {
    ...{ arm, query: item.id, order: ids, ndcg: ndcg(10).part(item, { order: ids }, { order: ids })[0]! },
    ms: receipt?.ms ?? { queue: 0, load: 0, encode: 0, prefill: 0, decode: 0, total: 0 },
    ...{ flops: receipt?.flops ?? zero, tokens: receipt?.tokens ?? { prompt: 0, cached: 0, completion: 0 } },
    ...more,
  };
}

interface Arm {
  rank(item: RankingItem): Promise<Ordered>;
  close(): void;
}

async function opened(arm: string): Promise<Arm> {
  switch (arm) {
    case "first-stage":
      return plain(({ documents }) => [...documents.keys()]);
    case "random":
      return plain(({ documents, id }) => shuffle([...documents.keys()], seededRandom(Number(id))));
    case "cosine":
      return byModel(await load("minilm"));
    case "yes-no":
      return byModel(await load("smollm2"));
    default:
      return trained(arm);
  }
}

async function trained(arm: string): Promise<Arm> {
  const [training = "", method = "", order = "given"] = arm.split(".");
  const adapter = training === "untrained" ? undefined : join(runs, training);
  const ranker = await openReranker(`smollm2+first@rankEnd=${top},method=${method},${WINDOWS}`, { adapter });
  return byLetters(ranker, orders[order as keyof typeof orders]);
}

/** The order in which documents are read, as indices into the first stage's order. */
const orders = {
  given: (count: number) => Array.from({ length: count }, (_, i) => i),
  reversed: (count: number) => Array.from({ length: count }, (_, i) => count - 1 - i),
} as const;

const plain = (order: (item: RankingItem) => number[]): Arm => ({
  rank: async (item) => ({ order: order(item) }),
  close: () => undefined,
});

const byModel = (model: Model): Arm => ({
  async rank({ query, documents }) {
    if (model.loaded.kind === "decoder") model.loaded.engine.forget();
    const texts = documents.map(({ text }) => text);
    const { scores, receipt } = await model.relevance(query, texts);
    return { order: byScore(scores), receipt };
  },
  close: () => model.dispose(),
});

const byLetters = (ranker: RerankPipeline, orderOf: (count: number) => readonly number[]): Arm => ({
  async rank({ query, documents }) {
    ranker.model.language.engine.forget();
    const read = orderOf(documents.length);
    const { order, windows, receipt } = await ranker.rerank(
      query,
      read.map((i) => documents[i]!.text),
    );
    return {
      order: order.map((i) => read[i]!),
      receipt,
      decoded: receipt.work!["decoded"] as Row["decoded"] & object,
      windows: windows.map(shown),
    };
  },
  close: () => ranker.dispose(),
});

const shown = ({ order, passages, text }: Awaited<ReturnType<RerankPipeline["rerank"]>>["windows"][number]) => ({
  order: order.join(""),
  byLogit: byScore(passages.map(({ logit }) => logit))
    .map((place) => passages[place]!.letter)
    .join(""),
  ...(text !== undefined && { text }),
});

if (process.argv[1]?.endsWith("arms.ts")) await main();
