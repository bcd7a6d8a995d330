import { figure, percent } from "../../src/lab/report/format.ts";
import type { RecipeSummary, Summary } from "../../src/lab/results.ts";
import { markdownTable } from "../../tools/section.ts";
import type { Committed } from "../common/committed-runs.ts";

/** Names of recipes in the tables, and the part of a recipe's text that identifies each. */
const RECIPES: readonly (readonly [name: string, mark: string])[] = [
  ["0.95, stride 16", "threshold=0.95,stride=16"],
  ["0.95, stride 8", "threshold=0.95,stride=8"],
  ["profile", "thresholds="],
  ["0.9", "threshold=0.9,stride=16"],
  ["0.8", "threshold=0.8,stride=16"],
  ["0.8, stride 8", "threshold=0.8,stride=8"],
  ["0.5", "threshold=0.5,stride=16"],
  ["antidiagonal", "xattention:selection=ratio"],
  ["diagonal", "select=diagonal"],
  ["random", "select=random"],
  ["pooled means", "select=mean-pool"],
  ["tri-shape", "tri-shape"],
];

const RIVALS = ["minference", "flexprefill"] as const;

const MODELS = [
  ["SmolLM2", "smollm2"],
  ["Qwen2.5-Coder", "qwen2.5-coder"],
] as const;

const FOUND = [
  ["a needle", "needle"],
  ["keys", "multi-key"],
] as const;

const tokensOf = ({ task }: Summary): number => Number(/tokens=(\d+)/.exec(task)![1]);
const kindOf = ({ task }: Summary): string => task.split(":")[0]!;
const under = ({ recipes }: Summary, mark: string): RecipeSummary | undefined =>
  recipes.find(({ recipe }) => recipe.includes(mark));
const denseOf = (summary: Summary): RecipeSummary => under(summary, "dense")!;

const isRivals = (summary: Summary): boolean => RIVALS.some((name) => under(summary, name));

/** A model's runs of one kind, the shortest first. */
const runsOf = (runs: readonly Committed[], model: string, kind: string): Summary[] =>
  runs
    .map(({ summary }) => summary)
    .filter((summary) => summary.model === model && kindOf(summary) === kind && !isRivals(summary))
    .sort((a, b) => tokensOf(a) - tokensOf(b));

/** FLOPs saved, and mean nats per token above dense's. */
function lost(summary: Summary, mark: string): string {
  const recipe = under(summary, mark);
  if (!recipe) return "—";
  return `${percent(recipe.flops_saved)}, ${figure(Math.log(recipe.quality / denseOf(summary).quality))}`;
}

/** A table of FLOPs saved and perplexity lost per recipe, one column a length. */
function textTable(runs: readonly Committed[], [label, model]: (typeof MODELS)[number]): string {
  const summaries = runsOf(runs, model, "text");
  const lengths = summaries.map((summary) => `${tokensOf(summary).toLocaleString("en")}: saved, nats`);
  const windows = ["windows", ...summaries.map(({ items }) => String(items))];
  const rows = RECIPES.map(([name, mark]) => [name, ...summaries.map((summary) => lost(summary, mark))]);
  return markdownTable([`${label}, text`, ...lengths], [windows, ...rows]);
}

const found = (summary: Summary, recipe: RecipeSummary | undefined): string =>
  recipe ? String(Math.round(recipe.quality * summary.items)) : "—";

/** Right answers, a row a run. */
function foundTable(runs: readonly Committed[]): string {
  const rows = MODELS.flatMap(([label, model]) =>
    FOUND.flatMap(([what, kind]) =>
      runsOf(runs, model, kind).map((summary) => [
        `${label}, ${what}, ${tokensOf(summary).toLocaleString("en")}, of ${summary.items}`,
        found(summary, denseOf(summary)),
        ...RECIPES.map(([, mark]) => found(summary, under(summary, mark))),
      ]),
    ),
  );
  return markdownTable(["found", "dense", ...RECIPES.map(([name]) => name)], rows);
}

/** The rivals' savings and losses in runs of their own: nats per token for text, right answers for other tasks. */
function rivalsTable(runs: readonly Committed[]): string {
  const rows = runs
    .map(({ summary }) => summary)
    .filter(isRivals)
    .map((summary) => {
      const text = kindOf(summary) === "text";
      const right = (recipe: RecipeSummary) => `${percent(recipe.flops_saved)}, ${found(summary, recipe)}`;
      const cell = (name: string) => (text ? lost(summary, name) : right(under(summary, name)!));
      const task = `${summary.model}, ${kindOf(summary)}, ${tokensOf(summary).toLocaleString("en")}`;
      return [task, text ? "0" : found(summary, denseOf(summary)), ...RIVALS.map(cell)];
    });
  return markdownTable(["rivals: saved, nats lost or found", "dense", ...RIVALS], rows);
}

/**
 * Tables of research/xattention/README.md: what recipes save and lose on text, how many needles and keys they find, and the same of the rivals.
 * `page.ts` writes them.
 */
export const xattentionTables = (runs: readonly Committed[]): string =>
  [...MODELS.map((model) => textTable(runs, model)), foundTable(runs), rivalsTable(runs)].join("\n\n");
