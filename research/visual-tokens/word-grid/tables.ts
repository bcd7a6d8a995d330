/**
 * Writes the tables of the page of word grids: `npx tsx research/visual-tokens/word-grid/tables.ts [RUN …]`. With the folders of lab
 * runs, one a seed, their summaries and right answers by item are copied first.
 */
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { bootstrap } from "../../../src/lab/metrics/bootstrap.ts";
import type { Result } from "../../../src/lab/results.ts";
import { markdownTable, root, writeSection } from "../../../tools/section.ts";
import { committedRuns } from "../../common/committed-runs.ts";
import { detailSection } from "../../common/lab-page.ts";
import { difference, percent, shareOf } from "../../common/shares.ts";
import type { Bias } from "./bias.ts";

const FOLDER = "research/visual-tokens/word-grid";
export const PAGE = `${FOLDER}/README.md`;
export const SECTION = "word-grid/tables";
const [BIAS, ANSWERS] = [`${FOLDER}/bias.json`, `${FOLDER}/answers.json`];
const SIDE = 20;

/** Each recipe's right answers, a digit an item, 1 for a right one. */
type Answers = Readonly<Record<string, string>>;

const read = <T>(file: string): T => JSON.parse(readFileSync(join(root, file), "utf8"));

/** A run's right answers by recipe, in the order of its items. */
function rightIn(run: string): Map<string, string[]> {
  const right = new Map<string, string[]>();
  for (const line of readFileSync(join(run, "results.jsonl"), "utf8").trim().split("\n")) {
    const { item, recipe, parts } = JSON.parse(line) as Pick<Result, "item" | "recipe" | "parts">;
    const digits = right.get(recipe) ?? [];
    digits[Number(item)] = String(parts!["exact-match"]![0]);
    right.set(recipe, digits);
  }
  return right;
}

/** Copies what is committed of runs. */
function collect(runs: readonly string[]): void {
  const answers: Record<string, string> = {};
  for (const [i, run] of runs.entries()) {
    const folder = join(root, FOLDER, `smollm2-${i + 1}`);
    mkdirSync(folder, { recursive: true });
    for (const file of ["summary.json", "frontier.svg"]) copyFileSync(join(run, file), join(folder, file));
    for (const [recipe, digits] of rightIn(run)) answers[recipe] = (answers[recipe] ?? "") + digits.join("");
  }
  writeFileSync(join(root, ANSWERS), `${JSON.stringify(answers, null, 1)}\n`);
}

function biasTable({ layers }: Bias): string {
  const cell = ({ mean, ci95: [low, high] }: Bias["layers"][number]["rotary"]) =>
    `${mean.toFixed(2)} [${low.toFixed(2)}, ${high.toFixed(2)}]`;
  return markdownTable(
    ["after layer", "with rotary embedding", "without"],
    layers.map(({ after, rotary, none }) => [String(after), cell(rotary), cell(none)]),
  );
}

/** Right answers by the third of the grid that the row is in; items ask for one row after the other. */
function rowsTable(answers: Answers): string {
  const third = (item: number) => Math.floor((3 * (item % SIDE)) / SIDE);
  return markdownTable(
    ["recipe", "top third", "middle", "bottom third", "all"],
    Object.entries(answers).map(([recipe, right]) => [
      `\`${recipe}\``,
      ...[0, 1, 2].map((part) => percent(shareOf([...right].filter((_, i) => third(i) === part).join("")))),
      percent(shareOf(right)),
    ]),
  );
}

const [FEATHER, FASTV, GRID, RANDOM] = [
  "feather:after=8,ratio=0.739,equal=true",
  "feather:after=8,ratio=0.739,mode=fastv",
  "feather:after=8,mode=uniform,stride=2",
  "feather:after=8,ratio=0.739,mode=random",
];
const PAIRS = [
  [FEATHER, FASTV],
  [FEATHER, GRID],
  [FEATHER, RANDOM],
  [FASTV, RANDOM],
] as const;

/** The ratio of two recipes' right answers, with a 95 % interval over items; 1 if neither has any. */
function ratioOf(one: string, other: string): string {
  const parts = [...one].map((digit, i) => [Number(digit), Number(other[i])]);
  const ratio = (some: readonly (readonly number[])[]) => {
    const [a, b] = [0, 1].map((at) => some.reduce((sum, part) => sum + part[at]!, 0)) as [number, number];
    return b > 0 ? a / b : a > 0 ? Number.MAX_VALUE : 1;
  };
  const { quality, ci95 } = bootstrap(parts, ratio, { seed: 0 });
  const factor = (value: number) => (value > 1e6 ? "∞" : value.toFixed(1));
  return `${factor(quality)} [${ci95.map(factor).join(", ")}]`;
}

function pairsTable(answers: Answers): string {
  return markdownTable(
    ["recipe", "against", "points", "times as many"],
    PAIRS.map(([one, other]) => [
      ...[`\`${one}\``, `\`${other}\``],
      difference(answers[one]!, answers[other]!).text,
      ratioOf(answers[one]!, answers[other]!),
    ]),
  );
}

export function wordGridSection(): string {
  const answers = read<Answers>(ANSWERS);
  return [
    ...["### The bias, by layer", biasTable(read<Bias>(BIAS))],
    ...["### By rows", rowsTable(answers), "### Pairs", pairsTable(answers)],
    detailSection(committedRuns(FOLDER)),
  ].join("\n\n");
}

if (process.argv[1] === import.meta.filename) {
  const runs = process.argv.slice(2);
  if (runs.length > 0) collect(runs);
  writeSection(PAGE, SECTION, wordGridSection());
}
