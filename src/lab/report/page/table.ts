import { type Html, html } from "../../../util/html.ts";
import type { PlotPoint } from "../plot/points.ts";

/** A table that scrolls if it is wider than the page. Rows are lists of cells. */
export const table = (caption: string, head: readonly string[], rows: readonly (readonly Html[])[]): Html => html`
<div class="scroll" role="region" aria-label="${caption}" tabindex="0"><table>
<caption>${caption}</caption>
<thead><tr>${head.map((cell) => html`<th scope="col">${cell}</th>`)}</tr></thead>
<tbody>
${rows.map((cells) => html`<tr>${cells}</tr>\n`)}</tbody>
</table></div>`;

/** The first two cells of a recipe's row: its key in the plot, and its name. */
export const recipeCell = ({ key, kind, recipe }: PlotPoint): Html[] => [
  html`<td class="key ${kind}">${key}</td>`,
  html`<th scope="row">${recipeName(recipe)}</th>`,
];

/** A recipe's text, which may wrap after commas and colons. */
export const recipeName = (recipe: string): Html =>
  html`<code>${recipe.split(/(?<=[,:])/).map((piece, i) => html`${i === 0 ? "" : html`<wbr>`}${piece}`)}</code>`;
