/** Runs as rows of text, for the command line to align. */
import type { RecipeSummary, Summary } from "../results.ts";
import type { Comparison, Comparisons } from "./compare.ts";
import { bytesText, duration, figure, percent, range, signed } from "./format.ts";

/** A heading, then a row for each recipe of both runs. */
export function comparisonRows({ recipes, metric }: Comparisons): string[][] {
  const head = [
    "RECIPE",
    "ITEMS",
    `A: ${metric.name}`,
    "B",
    "B − A",
    "95 %",
    "BETTER/SAME/WORSE",
    "SAVED A",
    "SAVED B",
    "TIME A",
    "TIME B",
    "BYTES A",
    "BYTES B",
  ];
  return [head, ...recipes.map(comparisonRow)];
}

const comparisonRow = ({ recipe, items, a, b, delta, by_item }: Comparison): string[] => [
  ...[recipe, String(items), figure(a.quality), figure(b.quality), signed(delta.mean), range(delta.ci95, signed)],
  `${by_item.better}/${by_item.same}/${by_item.worse}`,
  ...[percent(a.flops_saved), percent(b.flops_saved), duration(a.ms_per_item), duration(b.ms_per_item)],
  ...[bytes(a), bytes(b)],
];

const bytes = ({ bytes_per_item: bytes }: Comparison["a"]): string => (bytes === undefined ? "" : bytesText(bytes));

export interface RunEntry {
  readonly folder: string;
  /** Undefined for an unfinished run. */
  readonly summary: Summary | undefined;
  /** The reason that the summary cannot be read; absent if it can be. */
  readonly fault?: string;
}

/** A heading, then a row per run: its task and model, dense's quality, and the frontier's recipe that saves most. */
export function runRows(runs: readonly RunEntry[]): string[][] {
  const head = ["FOLDER", "TASK", "MODEL", "ITEMS", "RECIPES", "METRIC", "DENSE", "SAVES MOST", "WRITTEN"];
  return [
    head,
    ...runs.map(({ folder, summary, fault }) =>
      summary ? runRow(folder, summary) : [folder, fault ? "cannot be read" : "not finished", ...Array(7).fill("")],
    ),
  ];
}

function runRow(folder: string, { task, model, items, recipes, metric, created }: Summary): string[] {
  const dense = recipes.find(({ recipe }) => recipe === "dense")!;
  return [
    ...[folder, task, model, String(items), String(recipes.length), metric.name, figure(dense.quality)],
    ...[savesMost(recipes), created.slice(0, 16).replace("T", " ")],
  ];
}

function savesMost(recipes: readonly RecipeSummary[]): string {
  const [most] = [...recipes].sort((a, b) => b.flops_saved - a.flops_saved);
  return most!.recipe === "dense" ? "" : `${most!.recipe}: ${percent(most!.flops_saved)}, ${signed(most!.delta.mean)}`;
}
