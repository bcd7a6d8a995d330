import { count, figure, percent, range, signed } from "../lab/report/format.ts";
import type { RecipeSummary, SearchRecord, Summary } from "../lab/results.ts";
import { columns } from "./output.ts";

/** A run's summary as a table with one line per recipe. */
export function summaryTable(summary: Summary): string[] {
  const { task, model, metric, items, too_long: tooLong, cut_texts: cut = 0, recipes, searches = [] } = summary;
  const skippedText = tooLong > 0 ? `, ${tooLong} too long for the context` : "";
  const cutShort = cut > 0 ? `, ${count(cut, "text")} cut at the end` : "";
  const quality = [metric.name.toUpperCase(), "95 %", "AGAINST DENSE", "95 %"];
  return [
    `${task} on ${model}: ${count(items, "item")}${skippedText}${cutShort}`,
    ...columns([["RECIPE", ...quality, "FLOPS SAVED", "MS/ITEM", "FRONTIER"], ...recipes.map(row)]),
    ...recipes.flatMap(consistent),
    ...recipes.flatMap(shared),
    ...searches.map(spent),
  ];
}

const consistent = ({ recipe, consistency }: RecipeSummary): string[] =>
  consistency
    ? [
        `${recipe}: ${percent(consistency.same)} of answers are the same as dense's, edit similarity ${figure(consistency.similarity)}`,
      ]
    : [];

const shared = ({ recipe, shared_tokens: tokens = 0 }: RecipeSummary): string[] =>
  tokens > 0 ? [`${recipe}: ${count(tokens, "prompt token")}, computed once for several items and billed to each`] : [];

const spent = ({ search, probes, flops, minutes, ended }: SearchRecord): string =>
  `${search}: ${count(probes, "probe")}, ${flops.toExponential(2)} FLOPs, ${minutes.toFixed(1)} minutes${ended === "budget" ? "; stopped by the budget" : ""}`;

const row = ({ recipe, quality, ci95, delta, flops_saved, ms_per_item, on_frontier }: RecipeSummary): string[] => [
  recipe,
  figure(quality),
  range(ci95),
  signed(delta.mean),
  range(delta.ci95, signed),
  percent(flops_saved),
  ms_per_item.toFixed(1),
  on_frontier ? "yes" : "",
];
