import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join, posix } from "node:path";
import { advice } from "../src/lab/report/advice.ts";
import { figure, percent, range, signed } from "../src/lab/report/format.ts";
import { describe, frontierSvg, titleOf } from "../src/lab/report/plot/frontier-svg.ts";
import { type RecipeSummary, type Summary, summarySchema } from "../src/lab/results.ts";
import { markdownTable, root, withSection, writeSection } from "./section.ts";

/** A run whose summary is committed, and where, relative to the project. */
export interface Committed {
  readonly folder: string;
  readonly summary: Summary;
}

/** The runs below a folder of the project, by path. @throws when a summary is none */
export function committedRuns(folder: string, from = root): Committed[] {
  if (!existsSync(join(from, folder))) return [];
  const files = readdirSync(join(from, folder), { recursive: true, encoding: "utf8" });
  const folders = files
    .filter((file) => /(^|[\\/])summary\.json$/.test(file))
    .map((file) => posix.dirname(file.replaceAll("\\", "/")));
  return folders.sort().map((name) => ({
    folder: posix.join(folder, name),
    summary: readSummary(join(from, folder, name, "summary.json")),
  }));
}

function readSummary(path: string): Summary {
  try {
    return summarySchema.parse(JSON.parse(readFileSync(path, "utf8")));
  } catch (cause) {
    throw new Error(`${path} is no summary of a lab run`, { cause });
  }
}

/** The README's plot, of the first run, with its numbers; then what every run says; then the commands. */
export function labSection(runs: readonly Committed[]): string {
  const [first] = runs;
  if (first === undefined) return "No run has been committed yet.";
  const { folder, summary } = first;
  return [
    `![${describe(summary).replaceAll(/[[\]]/g, "")}](${folder}/frontier.svg)`,
    ...["", `${titleOf(summary)}, ${summary.items} items:`, "", recipesTable(summary)],
    ...["", "Of every run, the recipe that saves most of those not shown to be worse than dense:", "", runsTable(runs)],
    ...["", "Made by:", "", "```sh", ...runs.map(({ summary }) => commandOf(summary)), "```"],
    ...["", ...[...new Set(runs.map(({ summary }) => `Machine: ${summary.machine}.`))]],
  ].join("\n");
}

const commandOf = ({ command }: Summary): string => (command.startsWith("modicum ") ? `npx ${command}` : command);

const recipesTable = ({ recipes, metric }: Summary): string =>
  markdownTable(
    ["recipe", `${metric.name} (${metric.better} is better)`, "against dense", "FLOPs saved", "frontier"],
    recipes.map((recipe) => [
      `\`${recipe.recipe}\``,
      `${figure(recipe.quality)} ${range(recipe.ci95)}`,
      ...(recipe.recipe === "dense" ? [""] : [delta(recipe)]),
      percent(recipe.flops_saved),
      recipe.on_frontier ? "yes" : "no",
    ]),
  );

const runsTable = (runs: readonly Committed[]): string =>
  markdownTable(["run", "items", "metric", "dense", "recipe", "FLOPs saved", "against dense"], runs.map(runRow));

function runRow({ folder, summary: { task, model, items, metric, recipes } }: Committed): string[] {
  const dense = recipes.find(({ recipe }) => recipe === "dense")!;
  const safe = advice(metric, recipes)?.safe;
  const told = safe ? [`\`${safe.recipe}\``, percent(safe.flops_saved), delta(safe)] : ["none", "", ""];
  return [
    `[${task} with ${model}](${folder}/summary.json)`,
    String(items),
    metric.name,
    figure(dense.quality),
    ...told,
  ];
}

const delta = ({ delta }: RecipeSummary): string => `${signed(delta.mean)} ${range(delta.ci95, signed)}`;

/** Formatters align the columns of a table, which changes nothing of what it says. */
const unaligned = (text: string): string => text.replace(/ +/g, " ").replace(/-{3,}/g, "---");

/** What disagrees between a page, the runs and their plots, a sentence each; empty where all agree. */
export function disagreements(page: string, runs: readonly Committed[], from = root): string[] {
  const plots = runs.filter(({ folder, summary }) => {
    const file = join(from, folder, "frontier.svg");
    return !existsSync(file) || readFileSync(file, "utf8") !== frontierSvg(summary);
  });
  const said = plots.map(({ folder }) => `${folder}/frontier.svg is not what its summary.json makes`);
  if (unaligned(page) !== unaligned(withSection(page, "lab-readme", labSection(runs))))
    said.push("README.md does not say what docs/results says");
  return said;
}

function write(runs: readonly Committed[]): void {
  for (const { folder, summary } of runs) writeFileSync(join(root, folder, "frontier.svg"), frontierSvg(summary));
  writeSection("README.md", "lab-readme", labSection(runs));
}

/** Writes nothing, and fails where something disagrees. */
function check(runs: readonly Committed[]): void {
  const said = disagreements(readFileSync(join(root, "README.md"), "utf8"), runs);
  for (const sentence of said) process.stderr.write(`${sentence}: npx tsx tools/lab-readme.ts writes it anew\n`);
  process.exitCode = said.length === 0 ? 0 : 1;
}

if (process.argv[1] === import.meta.filename)
  (process.argv.includes("--check") ? check : write)(committedRuns("docs/results/xattention"));
