import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join, posix } from "node:path";
import { figure, percent, range, signed } from "../src/lab/report/format.ts";
import { frontierSvg, titleOf } from "../src/lab/report/plot/frontier-svg.ts";
import type { RecipeSummary, Summary } from "../src/lab/results.ts";
import { pick } from "../src/lab/run/pick.ts";
import { type Committed, committedRuns } from "./committed-runs.ts";
import { markdownTable, root, withSection, writeSection } from "./section.ts";
import { xattentionTables } from "./xattention-tables.ts";

const SECTION = "lab-results";
/** The page with a row a run, and the folder that its links start from. */
const PAGE = "docs/benchmarks.md";
const FROM = "docs";

/** The share of dense's quality that a recipe in the table may lose. */
const LOSS = 0.02;

/** A row for every run. */
export const labSection = (runs: readonly Committed[]): string =>
  runs.length === 0
    ? "No run has been committed yet."
    : [
        `For every run, the recipe that \`lab pick\` takes if at most ${percent(LOSS)} of dense's quality may be lost at the worse end of the interval:`,
        "",
        runsTable(runs),
      ].join("\n");

/** The part of the results' own page: every recipe of every run, and the command that makes it again. */
export const detailSection = (runs: readonly Committed[]): string =>
  runs.map(({ summary }) => detail(summary)).join("\n\n");

const detail = (summary: Summary): string =>
  [
    `### ${titleOf(summary)}`,
    ...["", `${summary.items} items, ${summary.machine}:`, "", recipesTable(summary)],
    ...["", "```sh", commandOf(summary), "```"],
  ].join("\n");

const commandOf = ({ command }: Summary): string => command.replace(/^modicum /, "node bin/modicum.js ");

const recipesTable = ({ recipes, metric, items }: Summary): string =>
  markdownTable(
    ["recipe", `${metric.name} (${metric.better} is better)`, "against dense", "FLOPs saved", "frontier"],
    recipes.map((recipe) => [
      `\`${recipe.recipe}\``,
      `${figure(recipe.quality)}${interval(recipe.ci95, items, figure)}`,
      ...(recipe.recipe === "dense" ? [""] : [delta(recipe, items)]),
      percent(recipe.flops_saved),
      recipe.on_frontier ? "yes" : "no",
    ]),
  );

const runsTable = (runs: readonly Committed[]): string =>
  markdownTable(["run", "items", "metric", "dense", "recipe", "FLOPs saved", "against dense"], runs.map(runRow));

function runRow({ folder, summary }: Committed): string[] {
  const { task, model, items, metric, recipes } = summary;
  const dense = recipes.find(({ recipe }) => recipe === "dense")!;
  const picked = pick(summary, { quality: -LOSS * dense.quality });
  const told =
    picked === dense ? ["dense", "", ""] : [`\`${picked.recipe}\``, percent(picked.flops_saved), delta(picked, items)];
  return [
    `[${task} with ${model}](${posix.relative(FROM, folder)}/summary.json)`,
    String(items),
    metric.name,
    figure(dense.quality),
    ...told,
  ];
}

const delta = ({ delta }: RecipeSummary, items: number): string =>
  `${signed(delta.mean)}${interval(delta.ci95, items, signed)}`;

/** One item has no interval. */
const interval = (ci95: RecipeSummary["ci95"], items: number, write: (value: number) => string): string =>
  items === 1 ? "" : ` ${range(ci95, write)}`;

/** Formatters align the columns of a table, which does not change its content. */
const unaligned = (text: string): string => text.replace(/ +/g, " ").replace(/-{3,}/g, "---");

/** A page, relative to the project, and a section of it that runs write. */
type Section = readonly [page: string, name: string, content: string];

/** The sections that runs write, and their pages. */
export const sections = (runs: readonly Committed[]): Section[] => [
  [PAGE, SECTION, labSection(runs)],
  ["docs/results/README.md", SECTION, detailSection(runs)],
  ["docs/results/README.md", "xattention-tables", xattentionTables(runs)],
];

/** One sentence per disagreement between pages, runs and plots; empty if all agree. */
export function disagreements(pages: readonly Section[], runs: readonly Committed[], from = root): string[] {
  const plots = runs.filter(({ folder, summary }) => {
    const file = join(from, folder, "frontier.svg");
    return !existsSync(file) || readFileSync(file, "utf8") !== frontierSvg(summary);
  });
  const stale = pages.filter(([page, name, content]) => {
    const text = readFileSync(join(from, page), "utf8");
    return unaligned(text) !== unaligned(withSection(text, name, content));
  });
  return [
    ...plots.map(({ folder }) => `${folder}/frontier.svg is not what its summary.json makes`),
    ...stale.map(([page]) => `${page} does not say what docs/results says`),
  ];
}

function write(runs: readonly Committed[]): void {
  for (const { folder, summary } of runs) writeFileSync(join(root, folder, "frontier.svg"), frontierSvg(summary));
  for (const section of sections(runs)) writeSection(...section);
}

/** Writes nothing, and fails if something disagrees. */
function check(runs: readonly Committed[]): void {
  const said = disagreements(sections(runs), runs);
  for (const sentence of said) process.stderr.write(`${sentence}: npx tsx tools/lab-results.ts writes it anew\n`);
  process.exitCode = said.length === 0 ? 0 : 1;
}

if (process.argv[1] === import.meta.filename)
  (process.argv.includes("--check") ? check : write)(committedRuns("docs/results/xattention"));
