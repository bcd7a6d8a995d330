/**
 * Writes the tables of XAttention's runs, in docs/benchmarks.md and on the study's own page, and the runs' plots:
 * `npx tsx research/xattention/page.ts`; with `--check` it writes nothing, and fails if something disagrees.
 */
import { writeFileSync } from "node:fs";
import { join, posix } from "node:path";
import { figure, percent } from "../../src/lab/report/format.ts";
import { frontierSvg } from "../../src/lab/report/plot/frontier-svg.ts";
import { pick } from "../../src/lab/run/pick.ts";
import { markdownTable, root, writeSection } from "../../tools/section.ts";
import { type Committed, committedRuns } from "../common/committed-runs.ts";
import { delta, detailSection, disagreements, type Section } from "../common/lab-page.ts";
import { xattentionTables } from "./tables.ts";

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

const runsTable = (runs: readonly Committed[]): string =>
  markdownTable(["run", "items", "metric", "dense", "recipe", "FLOPs saved", "against dense"], runs.map(runRow));

function runRow({ folder, summary }: Committed): string[] {
  const { task, model, items, metric, recipes } = summary;
  const dense = recipes.find(({ recipe }) => recipe === "dense")!;
  const picked = pick(summary, { quality: -LOSS * dense.quality });
  const finding =
    picked === dense ? ["dense", "", ""] : [`\`${picked.recipe}\``, percent(picked.flops_saved), delta(picked, items)];
  return [
    `[${task} with ${model}](${posix.relative(FROM, folder)}/summary.json)`,
    String(items),
    metric.name,
    figure(dense.quality),
    ...finding,
  ];
}

/** The sections that runs write, and their pages. */
export const sections = (runs: readonly Committed[]): Section[] => [
  [PAGE, SECTION, labSection(runs)],
  ["research/xattention/README.md", SECTION, detailSection(runs)],
  ["research/xattention/README.md", "xattention-tables", xattentionTables(runs)],
];

function write(runs: readonly Committed[]): void {
  for (const { folder, summary } of runs) writeFileSync(join(root, folder, "frontier.svg"), frontierSvg(summary));
  for (const section of sections(runs)) writeSection(...section);
}

/** Writes nothing, and fails if something disagrees. */
function check(runs: readonly Committed[]): void {
  const sentences = disagreements(sections(runs), runs);
  for (const sentence of sentences)
    process.stderr.write(`${sentence}: npx tsx research/xattention/page.ts writes it anew\n`);
  process.exitCode = sentences.length === 0 ? 0 : 1;
}

if (process.argv[1] === import.meta.filename)
  (process.argv.includes("--check") ? check : write)(committedRuns("research/xattention/results"));
