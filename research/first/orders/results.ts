/** Writes the table of lists in several orders from its rows: `npx tsx research/first/orders/results.ts`. */
import { bootstrap, pairedDelta } from "../../../src/lab/metrics/bootstrap.ts";
import { mean } from "../../../src/util/mean.ts";
import { markdownTable, writeSection } from "../../../tools/section.ts";
import { interval, signed } from "../../common/figures.ts";
import { meanOfParts } from "../../common/shares.ts";
import { jsonRows } from "../json-rows.ts";
import { arms, kinds, type OrdersRow, ROWS_FILE } from "./measure.ts";

const SEED = { seed: 0 };
const rows = jsonRows<OrdersRow>(ROWS_FILE);

type Arm = OrdersRow["arm"];
const names: Readonly<Record<Arm, string>> = {
  given: "the order as it comes",
  first: "`first`, `presort=none`",
  bm25: "BM25 over the list",
  "bm25+first": "`first` (`presort=bm25`)",
  minilm: "MiniLM's cosines",
};
/** The baseline of `first`: the order that it reads. */
const before: Partial<Record<Arm, Arm>> = { first: "given", "bm25+first": "bm25" };

/** 1 divided by the rank of the first relevant document. */
const reciprocalRank = ({ order, relevant }: OrdersRow): number =>
  1 / (1 + order.findIndex((id) => relevant.includes(id)));

/** The mean over all orders of a list. */
function chance({ order, relevant }: OrdersRow): number {
  let [expected, missed] = [0, 1];
  for (let rank = 1; rank <= order.length; rank++) {
    const hit = Math.min(1, relevant.length / (order.length - rank + 1));
    expected += (missed * hit) / rank;
    missed *= 1 - hit;
  }
  return expected;
}

type Kind = OrdersRow["kind"];
const of = (kind: Kind, arm: Arm) => rows.filter((row) => row.kind === kind && row.arm === arm);

/** Means of rows that share a key. */
function meansBy(
  own: readonly OrdersRow[],
  key: (row: OrdersRow) => string | number,
  value = reciprocalRank,
): number[] {
  const groups = new Map<string | number, number[]>();
  for (const row of own) groups.set(key(row), [...(groups.get(key(row)) ?? []), value(row)]);
  return [...groups].toSorted(([a], [b]) => Number(a) - Number(b)).map(([, values]) => mean(values));
}

/** One part per query: the mean over its orders. */
const parts = (own: readonly OrdersRow[]) => meansBy(own, ({ query }) => query).map((value) => [value]);

function line(kind: Kind, arm: Arm): string[] {
  const own = of(kind, arm);
  const { quality, ci95 } = bootstrap(parts(own), meanOfParts, SEED);
  const byShuffle = meansBy(own, ({ shuffle }) => shuffle);
  const earlier = before[arm];
  const delta = earlier && pairedDelta(parts(own), parts(of(kind, earlier)), meanOfParts, SEED);
  const cost = mean(own.filter(({ shuffle }) => shuffle === 0).map(({ gflops }) => gflops));
  return [
    names[arm],
    `${quality.toFixed(3)} ${interval(ci95)}`,
    byShuffle.map((value) => value.toFixed(3)).join(", "),
    (Math.max(...byShuffle) - Math.min(...byShuffle)).toFixed(3),
    delta ? `${signed(delta.mean)} ${interval(delta.ci95)}` : "",
    cost.toFixed(1),
  ];
}

const HEAD = ["ranked by", "MRR", "by shuffle", "spread", "against the order it reads", "GFLOPs"];

const titles: Readonly<Record<Kind, string>> = {
  drawn: "One relevant document and five others, drawn from the collection",
  found: "Six of BM25's first 20, at least one of them relevant",
};

const table = (kind: Kind): string => {
  const lists = meansBy(of(kind, "given"), ({ query }) => query, chance);
  const ofChance = ["chance", mean(lists).toFixed(3), "", "", "", ""];
  const all = of(kind, "given").length;
  const lines = arms.filter((arm) => of(kind, arm).length === all).map((arm) => line(kind, arm));
  return `${titles[kind]} (${lists.length} queries):\n\n${markdownTable(HEAD, [ofChance, ...lines])}`;
};

writeSection("research/first/README.md", "first/orders/results", kinds.map(table).join("\n\n"));
