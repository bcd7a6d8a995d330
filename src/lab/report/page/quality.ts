import { type Html, html } from "../../../util/html.ts";
import type { Summary } from "../../results.ts";
import { duration, figure, percent, range, signed } from "../format.ts";
import { type PlotPoint, pointsOf } from "../plot/points.ts";
import { recipeCell, table } from "./table.ts";

/** The plot's numbers, then the task's other metrics. */
export function qualityTables(summary: Summary): Html {
  const points = pointsOf(summary);
  const head = ["#", "recipe", summary.metric.name, "against dense", "FLOPs saved", "time per item", "frontier"];
  return html`${table("Quality and compute by recipe", head, points.map(row))}${othersTable(points)}`;
}

function row(point: PlotPoint): Html[] {
  const { quality, ci95, delta, flops_saved, ms_per_item, on_frontier, kind } = point;
  return [
    ...recipeCell(point),
    html`<td>${measured(quality, ci95)}</td>`,
    html`<td>${kind === "dense" ? "" : measured(delta.mean, delta.ci95, signed)}</td>`,
    html`<td>${percent(flops_saved)}</td>`,
    html`<td>${duration(ms_per_item)}</td>`,
    html`<td>${on_frontier ? "yes" : "no"}</td>`,
  ];
}

function othersTable(points: readonly PlotPoint[]): Html {
  const names = Object.keys(points[0]!.others);
  if (names.length === 0) return html``;
  const cells = ({ others }: PlotPoint) =>
    names.map((name) => html`<td>${measured(others[name]!.quality, others[name]!.ci95)}</td>`);
  return table(
    "Other metrics",
    ["#", "recipe", ...names],
    points.map((point) => [...recipeCell(point), ...cells(point)]),
  );
}

const measured = (value: number, ci95: readonly [number, number], write = figure): Html =>
  html`${write(value)} <span class="range">${range(ci95, write)}</span>`;
