/** Writes the tables of research/ranking/README.md from its rows: `npx tsx research/ranking/page.ts`. */
import { bootstrap, pairedDelta } from "../../src/lab/metrics/bootstrap.ts";
import { mean } from "../../src/util/mean.ts";
import { markdownTable, writeSection } from "../../tools/section.ts";
import { interval, signed } from "../common/figures.ts";
import { median } from "../common/median.ts";
import { meanOfParts } from "../common/shares.ts";
import { type CollectionName, collectionNames } from "./collections.ts";
import { ARMS, chainOf, earlierOf, HYBRID, type Row, rowsOf, timings } from "./rows.ts";

export const PAGE = "research/ranking/README.md";
export const SECTION = "ranking/results";
const SEED = { seed: 0 };
const BASE = "bm25";

/** Rows of an arm by their queries. */
type Arms = ReadonlyMap<string, ReadonlyMap<string, Row>>;

export function armsOf(name: CollectionName): Arms {
  const arms = new Map<string, Map<string, Row>>();
  for (const row of rowsOf(name)) {
    const own = arms.get(row.arm) ?? new Map<string, Row>();
    arms.set(row.arm, own.set(row.query, row));
  }
  return arms;
}

export const qualityOf = (rows: Iterable<Row>) =>
  bootstrap(
    [...rows].map(({ ndcg }) => [ndcg]),
    meanOfParts,
    SEED,
  );

/** Scores of two arms on the queries that both answered. */
function pairsOf(arms: Arms, arm: string, other: string): (readonly [own: number, base: number])[] {
  const [own, base] = [arms.get(arm), arms.get(other)];
  return [...(own ?? [])].flatMap(([query, row]) => {
    const before = base?.get(query);
    return before ? [[row.ndcg, before.ndcg] as const] : [];
  });
}

const deltaOf = (pairs: ReturnType<typeof pairsOf>) =>
  pairedDelta(
    pairs.map(([own]) => [own]),
    pairs.map(([, base]) => [base]),
    meanOfParts,
    SEED,
  );

/** The difference of two arms, paired, on their common queries. */
export const differenceOf = (arms: Arms, arm: string, other: string) => deltaOf(pairsOf(arms, arm, other));

/** The same over the queries of all collections. */
export function pooledDifference(arm: string, other: string) {
  const pairs = collectionNames.flatMap((name) => pairsOf(armsOf(name), arm, other));
  return { ...deltaOf(pairs), queries: pairs.length };
}

function difference(arms: Arms, arm: string, other: string | undefined): string {
  if (other === undefined || arm === other) return "";
  const { mean, ci95 } = differenceOf(arms, arm, other);
  return `${signed(mean)} ${interval(ci95)}`;
}

/** The arm of the greatest mean among those that have all queries. */
export function bestOf(arms: Arms): string {
  const all = arms.get(BASE)!.size;
  const whole = [...arms].filter(([, rows]) => rows.size === all);
  const means = whole.map(([arm, rows]) => [arm, qualityOf(rows.values()).quality] as const);
  return means.reduce((best, one) => (one[1] > best[1] ? one : best))[0];
}

/** The cost of a query by an arm and the arms before it. */
const gflopsOf = (arms: Arms, arm: string): number =>
  chainOf(arm).reduce((sum, one) => sum + mean([...arms.get(one)!.values()].map(({ gflops }) => gflops)), 0);

function lineOf(arms: Arms, arm: string, best: string): string[] {
  const rows = [...arms.get(arm)!.values()];
  const { quality, ci95 } = qualityOf(rows);
  const gflops = gflopsOf(arms, arm);
  return [
    `\`${arm}\``,
    String(rows.length),
    `${quality.toFixed(3)} ${interval(ci95)}`,
    ...[BASE, best, earlierOf(arm)].map((other) => difference(arms, arm, other)),
    gflops.toFixed(gflops < 10 ? 2 : 0),
  ];
}

function tableOf(name: CollectionName): string {
  const arms = armsOf(name);
  const best = bestOf(arms);
  const lines = ARMS.filter((arm) => arms.has(arm)).map((arm) => lineOf(arms, arm, best));
  return `### ${TITLES[name]}\n\n${markdownTable(HEAD, lines)}`;
}

const TITLES: Readonly<Record<CollectionName, string>> = {
  cranfield: "Cranfield: whole abstracts",
  boolq: "BoolQ: the first 24 words of passages",
  squad: "SQuAD: whole passages",
};

const HEAD = [
  ...["ranked by", "queries", "nDCG@10", "against BM25", "against the best", "against the order it reads"],
  "GFLOPs",
];

/** Pairs that choices of defaults rest on. */
export const CHOICES = [
  ["bge-small+bm25", HYBRID],
  [`${HYBRID}>ms-marco`, `${HYBRID}>minilm`],
  [`${HYBRID}>ms-marco`, HYBRID],
  [`${HYBRID}>colbert-small`, `${HYBRID}>ms-marco`],
  [`${HYBRID}>qwen`, HYBRID],
  [`${HYBRID}>random>qwen`, `${HYBRID}>random`],
  ["bm25>first", "bm25"],
  ["bge-small>first", "bge-small"],
  [`${HYBRID}>first`, HYBRID],
  [`${HYBRID}>ms-marco>first`, `${HYBRID}>ms-marco`],
  [`${HYBRID}>colbert-small>first`, `${HYBRID}>colbert-small`],
  [`${HYBRID}>shuffled>first`, `${HYBRID}>shuffled`],
] as const;

function choicesTable(): string {
  const lines = CHOICES.flatMap(([arm, other]) => {
    const { mean, ci95, queries } = pooledDifference(arm, other);
    if (queries === 0) return [];
    return [[`\`${arm}\``, `\`${other}\``, String(queries), `${signed(mean)} ${interval(ci95)}`]];
  });
  return `### Over all collections\n\n${markdownTable(["ranked by", "minus", "queries", "nDCG@10"], lines)}`;
}

/** Milliseconds of a query of Cranfield by an arm with those before it; undefined if one of them was not timed. */
function msOf(arm: string): number | undefined {
  const own = new Map(timings().map((timing) => [timing.arm, median(timing.ms)]));
  return chainOf(arm).reduce<number | undefined>((sum, one) => {
    const ms = own.get(one);
    return sum === undefined || ms === undefined ? undefined : sum + ms;
  }, 0);
}

function timesTable(): string {
  const lines = ARMS.flatMap((arm) => {
    const ms = msOf(arm);
    return ms === undefined ? [] : [[`\`${arm}\``, ms < 100 ? ms.toFixed(1) : String(Math.round(ms))]];
  });
  return `### Time of a query of Cranfield\n\n${markdownTable(["ranked by", "ms"], lines)}`;
}

export const section = (): string =>
  [...collectionNames.map(tableOf), choicesTable(), ...(timings().length > 0 ? [timesTable()] : [])].join("\n\n");

if (process.argv[1] === import.meta.filename) writeSection(PAGE, SECTION, section());
