/** Writes the tables of docs/results/first from its rows: `npx tsx tools/first/results.ts`. */
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { bootstrap, type Interval, pairedDelta } from "../../src/lab/metrics/bootstrap.ts";
import { meanOfParts } from "../../src/lab/metrics/sums.ts";
import { markdownTable, root, writeSection } from "../section.ts";
import { type Row, rowsOf } from "./cranfield.ts";

const RESULTS = join(root, "docs/results/first");
const SEED = { seed: 0 };

const mean = (values: readonly number[]): number => values.reduce((sum, v) => sum + v, 0) / values.length;
const median = (values: readonly number[]): number => values.toSorted((a, b) => a - b)[Math.floor(values.length / 2)]!;
const interval = ([low, high]: Interval): string => `[${low.toFixed(3)}, ${high.toFixed(3)}]`;

/** Kendall's τ between two orders of the same things. */
function tau(a: readonly string[], b: readonly string[]): number {
  const place = new Map(b.map((id, i) => [id, i]));
  let sum = 0;
  for (let i = 0; i < a.length; i++)
    for (let j = i + 1; j < a.length; j++) sum += Math.sign(place.get(a[j]!)! - place.get(a[i]!)!);
  return sum / ((a.length * (a.length - 1)) / 2);
}

/** An arm on the queries that it and the first stage have. */
function armRow(arm: string, rows: readonly Row[], before: ReadonlyMap<string, Row>): string[] {
  const parts = rows.map(({ ndcg }) => [ndcg]);
  const { quality, ci95 } = bootstrap(parts, meanOfParts, SEED);
  const delta = pairedDelta(
    parts,
    rows.map(({ query }) => [before.get(query)!.ndcg]),
    meanOfParts,
    SEED,
  );
  const ran = rows.some(({ flops }) => flops.spent > 0);
  const bias =
    arm === "first-stage" ? "" : mean(rows.map((row) => tau(before.get(row.query)!.order, row.order))).toFixed(2);
  return [
    `\`${arm}\``,
    String(rows.length),
    `${quality.toFixed(3)} ${interval(ci95)}`,
    arm === "first-stage"
      ? ""
      : `${delta.mean >= 0 ? "+" : "−"}${Math.abs(delta.mean).toFixed(3)} ${interval(delta.ci95)}`,
    bias,
    ran ? (mean(rows.map(({ flops }) => flops.spent)) / 1e9).toFixed(0) : "",
    rows[0]!.decoded ? mean(rows.map(({ decoded }) => decoded!.run)).toFixed(1) : "",
    ran ? (median(rows.map(({ ms }) => ms.prefill)) / 1000).toFixed(1) : "",
    ran ? (median(rows.map(({ ms }) => ms.decode)) / 1000).toFixed(2) : "",
  ];
}

const HEAD = [
  "arm",
  "queries",
  "nDCG@10",
  "against the first stage",
  "τ with it",
  "GFLOPs",
  "decoded",
  "prefill, s",
  "decode, s",
];

function tableOf(file: string): string {
  const rows = rowsOf(join(RESULTS, file));
  const before = new Map(rows.filter(({ arm }) => arm === "first-stage").map((row) => [row.query, row]));
  const arms = [...new Set(rows.map(({ arm }) => arm))];
  const [first, top] = file.replace(".jsonl", "").split("-");
  const lines = arms.map((arm) =>
    armRow(
      arm,
      rows.filter((row) => row.arm === arm),
      before,
    ),
  );
  return [`First stage ${first}, its first ${top} documents:\n`, markdownTable(HEAD, lines), letters(rows)].join("\n");
}

/** How far the written ranking follows the logits of its first letter. */
function letters(rows: readonly Row[]): string {
  const windows = rows.filter(({ arm }) => arm.includes("generate")).flatMap(({ windows = [] }) => windows);
  if (windows.length === 0) return "";
  const same = windows.filter(({ order, byLogit }) => order[0] === byLogit[0]).length;
  const agreement = mean(windows.map(({ order, byLogit }) => tau([...order], [...byLogit])));
  const written = windows.map(({ text = "" }) => new Set(text.match(/[A-Z]/g)).size);
  return `\nOf ${windows.length} written rankings ${same} begin with the letter of the greatest logit; τ between both orders is ${agreement.toFixed(2)}; they name ${mean(written).toFixed(1)} different letters, the rest is repaired.${saved(rows)}`;
}

/** The time that not writing saves, beside the share that decoding has of it. */
function saved(rows: readonly Row[]): string {
  const wrote = rows.filter(({ arm }) => arm === "method=generate");
  const read = new Map(rows.filter(({ arm }) => arm === "method=single-token").map((row) => [row.query, row]));
  const both = wrote.filter(({ query }) => read.has(query));
  if (both.length === 0) return "";
  const time = ({ ms }: Row) => ms.prefill + ms.decode;
  const whole = both.reduce((sum, row) => sum + time(row), 0);
  const short = both.reduce((sum, { query }) => sum + time(read.get(query)!), 0);
  const decoding = both.reduce((sum, { ms }) => sum + ms.decode, 0);
  const percent = (share: number) => `${(100 * share).toFixed(0)} %`;
  return ` On the ${both.length} queries of both, decoding is ${percent(decoding / whole)} of the time of written rankings, and one token saves ${percent(1 - short / whole)}.`;
}

const files = readdirSync(RESULTS).filter((name) => name.endsWith(".jsonl"));
writeSection("docs/results/first/README.md", "first/results", files.map(tableOf).join("\n\n"));
