import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { figure, percent, range, signed } from "../../src/lab/report/format.ts";
import { frontierSvg, titleOf } from "../../src/lab/report/plot/frontier-svg.ts";
import type { RecipeSummary, Summary } from "../../src/lab/results.ts";
import { markdownTable, root, withSection } from "../../tools/section.ts";
import type { Committed } from "./committed-runs.ts";

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

/** A recipe's change of quality, with its interval. */
export const delta = ({ delta }: RecipeSummary, items: number): string =>
  `${signed(delta.mean)}${interval(delta.ci95, items, signed)}`;

/** One item has no interval. */
const interval = (ci95: RecipeSummary["ci95"], items: number, write: (value: number) => string): string =>
  items === 1 ? "" : ` ${range(ci95, write)}`;

/** Formatters align the columns of a table, which does not change its content. */
const unaligned = (text: string): string => text.replace(/ +/g, " ").replace(/-{3,}/g, "---");

/** A page, relative to the project, and a section of it that runs write. */
export type Section = readonly [page: string, name: string, content: string];

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
    ...stale.map(([page]) => `${page} does not say what its runs say`),
  ];
}
