import { type Html, html } from "../../../util/html.ts";
import type { Answer, Item } from "../../item.ts";
import type { Result, Summary } from "../../results.ts";
import { type Change, type Differences, differences } from "../differences.ts";
import { count, signed } from "../format.ts";
import type { PlotPoint } from "../plot/points.ts";
import { answerView, question } from "./answers.ts";
import { recipeCell, recipeName, table } from "./table.ts";

/** Maximum items shown for each recipe. */
const SHOWN = 5;

export interface ByItem {
  readonly metric: Summary["metric"];
  readonly points: readonly PlotPoint[];
  readonly resultsOf: (recipe: string) => readonly Result[];
  readonly items: ReadonlyMap<string, Item>;
}

/** The number of items that each recipe improved or worsened against dense, and the worst items side by side. */
export function itemByItem({ metric, points, resultsOf, items }: ByItem): Html {
  const rows = points
    .filter(({ kind }) => kind !== "dense")
    .map((point) => ({ point, found: differences(metric, resultsOf("dense"), resultsOf(point.recipe)) }));
  if (rows.length === 0) return html`<p>Only dense was run: there is nothing to compare it with.</p>`;
  const head = ["#", "recipe", "better", "the same", "worse"];
  return html`${table("Items against dense", head, rows.map(countsRow))}
${rows.map(({ point, found }) => losses(point, found, items))}`;
}

const countsRow = ({ point, found }: { point: PlotPoint; found: Differences }): Html[] => [
  ...recipeCell(point),
  html`<td class="better">${found.better}</td>`,
  html`<td>${found.same}</td>`,
  html`<td class="worse">${found.worse}</td>`,
];

function losses({ key, recipe }: PlotPoint, differences: Differences, items: ReadonlyMap<string, Item>): Html {
  if (differences.losses.length === 0) return html``;
  const shown = differences.losses.slice(0, SHOWN);
  const which =
    differences.worse > shown.length
      ? `the worst ${shown.length} of ${count(differences.worse, "item")}`
      : count(differences.worse, "item");
  return html`<details><summary><b>${key}</b> ${recipeName(recipe)}: ${which} that became worse</summary>
${shown.map((change) => loss(change, recipe, items.get(change.item)!))}</details>
`;
}

function loss({ item: id, before, after, gain }: Change, recipe: string, item: Item): Html {
  const view = (result: Result, beside: Result) =>
    answerView(item, result.answer as Answer<never>, beside.answer as Answer<never>);
  return html`<article><h4>Item ${id} <span class="range">(${signed(gain)})</span></h4>
${question(item)}
<div class="sides"><section><h5>dense</h5>${view(before, after)}</section><section><h5>${recipeName(recipe)}</h5>${view(after, before)}</section></div></article>
`;
}
