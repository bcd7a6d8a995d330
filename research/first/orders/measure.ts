/**
 * Rerankings of six documents of Cranfield in five orders: `npx tsx research/first/orders/measure.ts FOLDER`. Lists are
 * of two kinds. `drawn` has a relevant document and five others of the collection; `found` has six of BM25's first 20,
 * of which one at least is relevant. Each kind uses the first 25 held-out queries for which such a list exists. Appends
 * one line per list, order and arm to research/first/results/orders/rows.jsonl, and skips existing ones.
 */
import { appendFileSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { load, openReranker } from "../../../src/index.ts";
import { byScore } from "../../../src/pipelines/first/order.ts";
import { bm25, orderBy } from "../../../src/pipelines/first/presort.ts";
import { seededRandom, shuffle } from "../../../src/util/random.ts";
import { everyItem, type ItemOf, itemsOf } from "../../common/tasks.ts";
import { HELD_OUT } from "../cranfield-queries.ts";
import { jsonRows } from "../json-rows.ts";

export const kinds = ["drawn", "found"] as const;
export const arms = ["given", "bm25", "minilm", "bm25+first", "first"] as const;
export const ROWS_FILE = "research/first/results/orders/rows.jsonl";

/** A list in one of its orders, ranked by an arm. */
export interface OrdersRow {
  readonly kind: (typeof kinds)[number];
  readonly query: string;
  readonly shuffle: number;
  readonly arm: (typeof arms)[number];
  /** Documents, best first. */
  readonly order: readonly string[];
  readonly relevant: readonly string[];
  /** FLOPs; a list's first order finds an empty cache. */
  readonly gflops: number;
}

type List = Pick<OrdersRow, "kind" | "query" | "relevant"> & { text: string } & Pick<ItemOf<"ranking">, "documents">;
type Rank = (query: string, texts: readonly string[]) => Promise<{ order: readonly number[]; flops: number }>;

const [QUERIES, DOCUMENTS, SHUFFLES] = [25, 6, 5];
const CANDIDATES = { drawn: "", found: ",candidates=research/first/results/runs/bm25.run,top=20" };

async function listsOf(kind: List["kind"], folder: string): Promise<List[]> {
  const task = `cranfield:${folder},words=64,source=drop${CANDIDATES[kind]}`;
  const lists: List[] = [];
  for await (const item of itemsOf("ranking", task, { ...everyItem, limit: HELD_OUT })) {
    const list = listOf(kind, item);
    if (list && lists.length < QUERIES) lists.push(list);
  }
  return lists;
}

/** Undefined if none of the query's documents is relevant. */
function listOf(kind: List["kind"], item: ItemOf<"ranking">): List | undefined {
  const isRelevant = ({ id }: { readonly id: string }) => (item.relevance[id] ?? 0) > 0;
  const all = shuffle([...item.documents], seededRandom(Number(item.id)));
  const one = all.find(isRelevant);
  if (!one) return undefined;
  const others = all.filter((document) => document !== one && (kind === "found" || !isRelevant(document)));
  const documents = [one, ...others.slice(0, DOCUMENTS - 1)];
  return {
    kind,
    query: item.id,
    text: item.query,
    documents,
    relevant: documents.filter(isRelevant).map(({ id }) => id),
  };
}

interface Arm extends Disposable {
  readonly rank: Rank;
  /** Empties its cache. */
  forget?(): void;
}

async function opened(arm: OrdersRow["arm"]): Promise<Arm> {
  switch (arm) {
    case "given":
      return plain((_, texts) => ({ order: [...texts.keys()], flops: 0 }));
    case "bm25":
      return plain((query, texts) => {
        const { scores, flops } = bm25(query, texts);
        return { order: orderBy(scores, texts), flops };
      });
    case "minilm":
      return byCosine();
    case "first":
      return byLetters("none");
    case "bm25+first":
      return byLetters("bm25");
  }
}

const plain = (rank: (...list: Parameters<Rank>) => Awaited<ReturnType<Rank>>): Arm => ({
  rank: async (query, texts) => rank(query, texts),
  [Symbol.dispose]() {},
});

async function byCosine(): Promise<Arm> {
  const model = await load("minilm");
  return {
    async rank(query, texts) {
      const { scores, receipt } = await model.relevance(query, texts);
      return { order: byScore(scores), flops: receipt.flops.spent };
    },
    [Symbol.dispose]: () => model.dispose(),
  };
}

async function byLetters(presort: string): Promise<Arm> {
  const ranker = await openReranker(`smollm2+first@presort=${presort}`);
  return {
    async rank(query, texts) {
      const { order, receipt } = await ranker.rerank(query, texts);
      return { order, flops: receipt.flops.spent };
    },
    forget: () => ranker.model.language.engine.forget(),
    [Symbol.dispose]: () => ranker.dispose(),
  };
}

async function runArm(arm: OrdersRow["arm"], lists: readonly List[], done: ReadonlySet<string>): Promise<void> {
  using ranker = await opened(arm);
  for (const { kind, query, text, relevant, documents } of lists)
    for (let seed = 0; seed < SHUFFLES; seed++) {
      if (done.has(keyOf({ kind, query, shuffle: seed, arm }))) continue;
      if (seed === 0) ranker.forget?.();
      const read = shuffle([...documents], seededRandom(SHUFFLES * Number(query) + seed));
      const { order, flops } = await ranker.rank(
        text,
        read.map((document) => document.text),
      );
      const ids = order.map((i) => read[i]!.id);
      const row: OrdersRow = {
        kind,
        query,
        shuffle: seed,
        arm,
        order: ids,
        relevant,
        gflops: Math.round(flops / 1e6) / 1e3,
      };
      appendFileSync(ROWS_FILE, `${JSON.stringify(row)}\n`);
    }
}

const keyOf = ({ kind, query, shuffle, arm }: Pick<OrdersRow, "kind" | "query" | "shuffle" | "arm">): string =>
  [kind, query, shuffle, arm].join(" ");

async function main(folder: string): Promise<void> {
  mkdirSync(dirname(ROWS_FILE), { recursive: true });
  const lists = [...(await listsOf("drawn", folder)), ...(await listsOf("found", folder))];
  const done = new Set(jsonRows<OrdersRow>(ROWS_FILE).map(keyOf));
  for (const arm of arms) await runArm(arm, lists, done);
}

if (process.argv[1] === import.meta.filename) await main(process.argv[2]!);
