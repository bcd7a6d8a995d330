/**
 * Rerankers of one model on Cranfield's candidates: `npx tsx tools/first/cranfield.ts FOLDER FIRST QUERIES TOP ARMS
 * [ADAPTER]`. FIRST is a run of docs/results/first/runs. Appends a line an arm and query to
 * docs/results/first/FIRST-TOP.jsonl, and skips those that are there.
 */
import { appendFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { load, type Model, openReranker, type Receipt, type RerankPipeline } from "../../src/index.ts";
import type { RankingItem } from "../../src/lab/item.ts";
import { ndcg } from "../../src/lab/metrics/index.ts";
import { findTask } from "../../src/lab/tasks/registry.ts";
import { byScore } from "../../src/pipelines/first/order.ts";
import { seededRandom, shuffle } from "../../src/util/random.ts";

/** A query under an arm. */
export interface Row {
  readonly arm: string;
  readonly query: string;
  readonly order: readonly string[];
  /** nDCG@10; the source that a query was taken from is no candidate. */
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

const [folder = "", first = "bm25", queries = "25", top = "40", arms = "", adapter] = process.argv.slice(2);
const OUT = "docs/results/first";
const file = `${OUT}/${first}-${top}.jsonl`;

async function main(): Promise<void> {
  mkdirSync(OUT, { recursive: true });
  const spec = `cranfield:${folder},candidates=${OUT}/runs/${first}.run,top=${top},words=64,source=drop`;
  const task = await findTask(spec);
  const items: RankingItem[] = [];
  for await (const item of task.items({ seed: 0, limit: Number(queries), countTokens: () => 0 }))
    items.push(item as RankingItem);
  const done = new Set(rowsOf(file).map(({ arm, query }) => `${arm} ${query}`));
  for (const arm of arms.split(",")) {
    const left = items.filter(({ id }) => !done.has(`${arm} ${id}`));
    if (left.length > 0) await runArm(arm, left);
  }
}

export const rowsOf = (file: string): Row[] =>
  existsSync(file)
    ? readFileSync(file, "utf8")
        .trimEnd()
        .split("\n")
        .map((line) => JSON.parse(line))
    : [];

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
    ms: receipt?.ms ?? { load: 0, prefill: 0, decode: 0, total: 0 },
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
      return byLetters(
        await openReranker(`smollm2+first@rankEnd=${top},maxPassageWords=64,presort=none,${arm}`, { adapter }),
      );
  }
}

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

const byLetters = (ranker: RerankPipeline): Arm => ({
  async rank({ query, documents }) {
    ranker.model.language.engine.forget();
    const texts = documents.map(({ text }) => text);
    const { order, windows, receipt } = await ranker.rerank(query, texts);
    return {
      order,
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

if (process.argv[1]?.endsWith("cranfield.ts")) await main();
