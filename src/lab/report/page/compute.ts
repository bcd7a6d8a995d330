import { type Html, html } from "../../../util/html.ts";
import type { Result } from "../../results.ts";
import { flopsText, percent } from "../format.ts";
import type { PlotPoint } from "../plot/points.ts";
import { recipeCell, table } from "./table.ts";

interface Spent {
  readonly dense: number;
  readonly spent: number;
  /** Undefined if the results do not contain the overhead. */
  readonly overhead: number | undefined;
}

/** Mean FLOPs per item. */
function meanFlops(results: readonly Result[]): Spent {
  const mean = (of: (flops: Result["flops"]) => number) =>
    results.reduce((sum, { flops }) => sum + of(flops), 0) / results.length;
  const known = results.every(({ flops }) => flops.overhead !== undefined);
  return {
    dense: mean(({ dense }) => dense),
    spent: mean(({ spent }) => spent),
    overhead: known ? mean(({ overhead }) => overhead!) : undefined,
  };
}

/** A table of the compute of dense and of each recipe, with the savings' own overhead. */
export function computeTable(points: readonly PlotPoint[], resultsOf: (recipe: string) => readonly Result[]): Html {
  const rows = points.map((point) => ({ point, flops: meanFlops(resultsOf(point.recipe)) }));
  const most = Math.max(...rows.map(({ flops }) => Math.max(flops.dense, flops.spent)));
  const head = ["#", "recipe", "dense", "spent", "overhead", "spent of dense"];
  return table(
    "FLOPs per item",
    head,
    rows.map(({ point, flops }) => row(point, flops, most)),
  );
}

function row(point: PlotPoint, { dense, spent, overhead }: Spent, most: number): Html[] {
  return [
    ...recipeCell(point),
    html`<td>${flopsText(dense)}</td>`,
    html`<td>${flopsText(spent)}</td>`,
    html`<td>${overhead === undefined ? "unknown" : overhead === 0 ? "none" : `${flopsText(overhead)}, ${percent(overhead / spent)}`}</td>`,
    html`<td class="bar">${bar(dense / most, (spent - (overhead ?? 0)) / most, (overhead ?? 0) / most)}</td>`,
  ];
}

/** A stacked bar of work and overhead, with a tick at dense's cost. */
const bar = (dense: number, work: number, overhead: number): Html => {
  const at = (share: number) => (share * 160).toFixed(1);
  return html`<svg viewBox="-1 0 163 16" width="163" height="16" aria-hidden="true"><rect y="3" width="${at(work)}" height="10" fill="var(--frontier)"/><rect x="${at(work)}" y="3" width="${at(overhead)}" height="10" fill="var(--dense)"/><path d="M${at(dense)} 0v16" stroke="var(--ink)" stroke-width="2"/></svg>`;
};
