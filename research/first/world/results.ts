/** Writes the tables of the world of words from its rows: `npx tsx research/first/world/results.ts`. */
import { bootstrap, pairedDelta } from "../../../src/lab/metrics/bootstrap.ts";
import { mean } from "../../../src/util/mean.ts";
import { markdownTable, writeSection } from "../../../tools/section.ts";
import { interval, signed } from "../../common/figures.ts";
import { meanOfParts } from "../../common/shares.ts";
import { jsonRows } from "../json-rows.ts";
import { type CheckRow, FILE, type StageRow } from "./measure.ts";

const SEED = { seed: 0 };
const rows = jsonRows<StageRow | CheckRow>(FILE);
const byName = (a: { readonly model: string }, b: { readonly model: string }) => (a.model < b.model ? -1 : 1);
const ranked = rows.filter((row) => "stage" in row).toSorted((a, b) => a.stage.localeCompare(b.stage) || byName(a, b));
const checked = rows.filter((row) => "swapped" in row).toSorted(byName);

const parts = (values: readonly number[]) => values.map((value) => [value]);

function stageLine({ model, stage, ndcg, decoded, flops }: StageRow): string[] {
  const { quality, ci95 } = bootstrap(parts(ndcg[10]), meanOfParts, SEED);
  const ran = flops > 0;
  return [
    ...[stage, `\`${model}\``, String(ndcg[10].length)],
    ...[`${quality.toFixed(3)} ${interval(ci95)}`, mean(ndcg[3]).toFixed(3)],
    ...(ran ? [(flops / 1e9).toFixed(0), decoded.toFixed(1)] : ["", ""]),
  ];
}

const checkLine = ({ model, written, moved, swapped }: CheckRow): string[] => [
  ...[`\`${model}\``, String(written.length), mean(written).toFixed(2), mean(moved).toFixed(1)],
  `${swapped.filter(Boolean).length} of ${swapped.length}`,
];

/** nDCG@10 of each list on random lists, on the mean over an arm's seeds. */
function ofArm(arm: string): number[] {
  const seeds = ranked.filter(({ model, stage }) => stage === "random" && model.replace(/-\d+$/, "") === arm);
  return seeds[0]?.ndcg[10].map((_, list) => mean(seeds.map(({ ndcg }) => ndcg[10][list]!))) ?? [];
}

/** Pairs of arms; the method claims that the first is better. */
const CLAIMS = [
  ["start", "untrained"],
  ["lm", "start"],
  ["joint", "lm"],
  ["joint", "start"],
] as const;

const claims = CLAIMS.flatMap(([a, b]) => {
  const [own, other] = [ofArm(a), ofArm(b)];
  if (own.length === 0 || other.length === 0) return [];
  const { mean: by, ci95 } = pairedDelta(parts(own), parts(other), meanOfParts, SEED);
  return [`\n\`${a}\` minus \`${b}\`: ${signed(by)} ${interval(ci95)} on ${own.length} random lists.`];
});

writeSection(
  "research/first/README.md",
  "first/world/results",
  [
    markdownTable(["first stage", "model", "lists", "nDCG@10", "nDCG@3", "GFLOPs", "decoded"], ranked.map(stageLine)),
    ...claims,
    `\n${markdownTable(
      ["model", "lists", "τ with its written ranking", "places moved, read from the end", "best and worst swapped"],
      checked.map(checkLine),
    )}`,
  ].join("\n"),
);
