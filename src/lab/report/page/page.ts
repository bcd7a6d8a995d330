import { Html, html } from "../../../util/html.ts";
import type { Item } from "../../item.ts";
import type { Result, Summary } from "../../results.ts";
import { count } from "../format.ts";
import { chart } from "../plot/chart.ts";
import { describe, titleOf } from "../plot/frontier-svg.ts";
import { pointsOf } from "../plot/points.ts";
import { computeTable } from "./compute.ts";
import { qualityTables } from "./quality.ts";
import { itemByItem } from "./regressions.ts";
import { style } from "./style.ts";
import { verdict } from "./verdict.ts";

export interface Report {
  readonly summary: Summary;
  readonly results: readonly Result[];
  /** The items that have results, by id. */
  readonly items: ReadonlyMap<string, Item>;
}

/**
 * The report as one self-contained page without scripts or network requests, readable from disk or as an email
 * attachment.
 */
export function page({ summary, results, items }: Report): string {
  const points = pointsOf(summary);
  const byRecipe = new Map(points.map(({ recipe }) => [recipe, results.filter((result) => result.recipe === recipe)]));
  const resultsOf = (recipe: string) => byRecipe.get(recipe)!;
  return html`<!doctype html>
<html lang="en"><head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>${titleOf(summary)}</title><style>${new Html(style)}</style></head><body>
<header><h1>${summary.task} with ${summary.model}</h1>
<p class="lead">${lead(summary)}</p></header>
<main>${verdict(summary, points)}
${figure(summary)}
${qualityTables(summary)}
<h2>Compute</h2>
${computeTable(points, resultsOf)}
<p class="lead">Each bar is the compute spent, its second part the savings' overhead. The tick marks the dense run.</p>
<h2>Item by item</h2>
${itemByItem({ metric: summary.metric, points, resultsOf, items })}
<h2>How it was made</h2>
${origin(summary)}</main></body></html>
`.text;
}

const lead = ({ metric, items, too_long, cut_texts: cut = 0, recipes }: Summary): string =>
  `${count(items, "item")}, ${count(recipes.length, "recipe")}; quality is ${metric.name}, ${metric.better} is better; ` +
  `intervals are 95\u00a0% bootstrap intervals over items, Wilson's where all items are alike${too_long > 0 ? `; ${count(too_long, "item")} longer than the model's context left out` : ""}${cut > 0 ? `; ${count(cut, "text")} cut at the end to the model's maximum length` : ""}.`;

/** The plot twice, for wide and narrow screens; the table below has its numbers. */
const figure = (summary: Summary): Html => html`<figure>
<div class="wide" role="img" aria-label="${describe(summary)}">${new Html(chart(summary, { width: 760, height: 400 }))}</div>
<div class="narrow" role="img" aria-label="${describe(summary)}">${new Html(chart(summary, { width: 360, height: 340 }))}</div>
<figcaption>A point is a recipe, numbered as in the table; its line is the 95&nbsp;% interval. Filled points are on the frontier: no other recipe is as good
and saves as much. The diamond and the dashed line mark the dense run. The stepped line is the best quality of any recipe that saves at least as much.</figcaption></figure>`;

const origin = (summary: Summary): Html => html`<pre>${summary.command}</pre>
<dl>
<dt>model</dt><dd>${summary.model}, SHA-256 <code>${summary.model_hash}</code></dd>
<dt>machine</dt><dd>${summary.machine}</dd>
<dt>versions</dt><dd>${Object.entries(summary.versions)
  .map(([name, version]) => `${name} ${version}`)
  .join(", ")}</dd>
<dt>weights</dt><dd>${summary.quant ?? "not recorded"}</dd>
<dt>items</dt><dd>${chosen(summary)}</dd>
<dt>written</dt><dd><time datetime="${summary.created}">${summary.created.slice(0, 16).replace("T", " ")} UTC</time></dd>
</dl>`;

/** How the items were selected. */
function chosen({ seed, limit, truncate, rows = 1 }: Summary): string {
  const most = limit === undefined ? [] : [limit === null ? "all" : `the first ${limit}`];
  const cut = truncate ? [`prompts longer than the context are cut: ${truncate}`] : [];
  return [...most, `seed ${seed}`, ...cut, ...(rows > 1 ? [`${rows} generated together`] : [])].join(", ");
}
