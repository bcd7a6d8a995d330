import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import type { ExitsFile } from "../../src/index.ts";
import type { RecipeSummary } from "../../src/lab/results.ts";
import { bundledFolders } from "../../src/util/model-folders.ts";
import { markdownTable, root, writeSection } from "../../tools/section.ts";
import { type Committed, committedRuns } from "../common/committed-runs.ts";
import { signed } from "../common/figures.ts";
import type { Stops } from "./stop-control.ts";

export const PAGE = "research/exits/README.md";
export const SECTION = "exit-results";

const three = (value: number): string => value.toFixed(3);
const percent = (value: number): string =>
  `${(100 * value).toFixed(1).replace(/^-(0\.0)?/, (_, zero) => zero ?? "−")} %`;

/** Exits that the package ships, and runs of the lab with them. */
export const exitSection = (): string =>
  [
    "### What layers know",
    ...shippedExits().map(exitsTable),
    "### Recipes",
    ...committedRuns("research/exits/results").map(runTable),
  ].join("\n\n");

/** The `exits.json` of each saving and model. */
const shippedExits = (): ExitsFile[] =>
  ["dynamax", "sec"]
    .flatMap((saving) => bundledFolders(saving, "exits.json"))
    .map((folder): ExitsFile => JSON.parse(readFileSync(join(folder, "exits.json"), "utf8")))
    .sort((a, b) => a.model.name.localeCompare(b.model.name));

/** Held-out text: the choices of each exit's head, and the quality of its deciders. */
function exitsTable({ model, saving, layers, head, deciders, data, measured }: ExitsFile): string {
  const names = deciders.map(({ kind, topK }) => (topK > 1 ? `${kind}, ${topK} likeliest` : kind));
  const rows = [...layers, undefined].map((layer, i) => [
    layer === undefined ? "all" : `${layer}`,
    ...[measured.right[i]!, measured.agree[i]!].map(percent),
    ...deciders.map(({ measured: rates }) => (rates[i] ? three(rates[i].auc) : "")),
    ...deciders.flatMap(({ measured: rates }) =>
      rates[0]?.stop ? [rates[i]?.stop ? three(rates[i].stop.auc) : ""] : [],
    ),
  ]);
  const stops = deciders.flatMap(({ measured: rates }) => (rates[0]?.stop ? ["AUROC of stop"] : []));
  const columns = ["layers", "the text's token", "the model's choice", ...names.map((name) => `AUROC of ${name}`)];
  const choice = head.tokens ? `, ${head.tokens.length} tokens` : "";
  const rank = head.rank === undefined ? "" : ` of rank ${head.rank}`;
  const oracle = ` An oracle that leaves at the first exit that chooses as the model does runs at most ${oracleDepth(layers, measured.agree, LAYERS[model.name]!).toFixed(1)} of ${LAYERS[model.name]} layers.`;
  const never = saving === "sec" ? ` No layer is right for ${percent(measured.neverRight)} of the tokens.` : "";
  return [
    `\`${saving}\` on ${model.name}: head ${head.mode}${rank}${choice}; ${data.tokens} tokens of ${data.name}, ${measured.tokens} of them held out.${oracle}${never}`,
    markdownTable([...columns, ...stops], rows),
    ...certifiedTables(model.name, deciders),
  ].join("\n\n");
}

/** Thresholds with a certificate, and the layers after which a token is decided. */
function certifiedTables(model: string, deciders: ExitsFile["deciders"]): string[] {
  const rows = deciders.flatMap(({ kind, thresholds = [] }) =>
    thresholds.map(({ risk, confidence, threshold, p, mean, depth, items, codes }) => [
      ...[kind, codes === undefined ? "" : `${codes}`, `${risk}`, `${confidence}`, `${threshold}`],
      ...[p.toPrecision(3), three(mean), depth.toFixed(2), `${items.count}`],
    ]),
  );
  const head = [
    "classifier",
    "bits",
    "risk",
    "confidence",
    "threshold",
    "p",
    "mean loss",
    "decided after",
    "documents",
  ];
  return rows.length === 0 ? [] : [`Certified thresholds for ${model}`, markdownTable(head, rows)];
}

const LAYERS: Readonly<Record<string, number>> = { "code-tiny": 6, smollm2: 30, "qwen2.5-coder": 24 };

/**
 * An upper bound on an oracle's layers per token: at least the share that agrees at an exit has left by then. It is
 * exact if no later exit disagrees where an earlier one agreed.
 */
function oracleDepth(exits: readonly number[], agree: readonly number[], layers: number): number {
  const best = exits.map((_, i) => Math.max(...agree.slice(0, i + 1)));
  return exits.reduce((depth, exit, i) => depth - (best[i]! - (best[i - 1] ?? 0)) * (layers - exit), layers);
}

function runTable({ folder, summary }: Committed): string {
  const { task, model, items, metric, recipes, command, machine } = summary;
  const others = Object.keys(recipes[0]!.others);
  const cuts = cutsOf(folder);
  const head = ["recipe", metric.name, "against dense", "FLOPs saved", "ms an item", "as dense", "likeness to dense"];
  return [
    `[${task} with ${model}](${folder.replace("research/exits/", "")}/summary.json), ${items} items; ${machine}`,
    markdownTable(
      [...head, ...others, ...(cuts ? ["shown-accepted-proxy if cut at random", "exact-line if cut at random"] : [])],
      recipes.map((recipe) => [...row(recipe, others), ...(cuts?.(recipe.recipe) ?? [])]),
    ),
    `\`${command}\``,
  ].join("\n\n");
}

/** The accepted-proxy of shown completions and exact lines if dense's are cut at random at a recipe's lengths. */
function cutsOf(folder: string): ((recipe: string) => string[]) | undefined {
  const file = join(root, folder, "stops.json");
  if (!existsSync(file)) return undefined;
  const stops = JSON.parse(readFileSync(file, "utf8")) as Stops[];
  const cell = ({ random: { mean, ci95 } }: Stops["shown"]) => `${three(mean)} [${ci95.map(three).join(", ")}]`;
  return (name) => {
    const found = stops.find(({ recipe }) => recipe === name);
    return found ? [cell(found.shown), cell(found.exact)] : ["", ""];
  };
}

function row(recipe: RecipeSummary, others: readonly string[]): string[] {
  const { quality, delta, flops_saved, ms_per_item, consistency } = recipe;
  const change = recipe.recipe === "dense" ? "" : `${signed(delta.mean)} [${delta.ci95.map(signed).join(", ")}]`;
  return [
    ...[`\`${recipe.recipe}\``, three(quality), change, percent(flops_saved), ms_per_item.toFixed(0)],
    ...(consistency ? [percent(consistency.same), three(consistency.similarity)] : ["", ""]),
    ...others.map((name) => three(recipe.others[name]!.quality)),
  ];
}

if (process.argv[1] === import.meta.filename) writeSection(PAGE, SECTION, exitSection());
