import { escaped } from "../../../util/html.ts";
import type { Summary } from "../../results.ts";
import { count, figure, percent, range } from "../format.ts";
import { chart } from "./chart.ts";
import { colour, colourStyle } from "./colours.ts";
import { type PlotPoint, pointsOf } from "./points.ts";

const WIDTH = 760;
const CHART_TOP = 34;
const CHART_HEIGHT = 380;
const LINE = 17;
/** Pixels per monospaced character of a recipe. */
const CHARACTER = 6.65;
const COLUMNS = { key: 16, recipe: 66, saved: 594, quality: 744 };
const RECIPE_CHARACTERS = Math.floor((COLUMNS.saved - 60 - COLUMNS.recipe) / CHARACTER);

/** A text description of the plot, for screen readers. */
export function describe(summary: Summary): string {
  const rows = pointsOf(summary).map(
    ({ recipe, quality, ci95, flops_saved, on_frontier }) =>
      `${recipe}: ${figure(quality)} ${range(ci95)}, ${percent(flops_saved)} of FLOPs saved${on_frontier ? ", on the frontier" : ""}`,
  );
  return `${summary.metric.name} (${summary.metric.better} is better) by share of FLOPs saved. ${rows.join("; ")}.`;
}

export const titleOf = ({ task, model, metric }: Summary): string =>
  `${metric.name} by compute saved: ${task} with ${model}`;

/** The frontier plot with its legend as a separate file, light or dark as the reader prefers. */
export function frontierSvg(summary: Summary): string {
  const legend = legendOf(pointsOf(summary));
  const top = CHART_TOP + CHART_HEIGHT + 24;
  const height = top + legend.lines * LINE + 26;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" width="${WIDTH}" height="${height}" role="img" aria-labelledby="title desc" font-family="system-ui, sans-serif" font-size="12">
<title id="title">${escaped(titleOf(summary))}</title>
<desc id="desc">${escaped(describe(summary))}</desc>
<style>${colourStyle("svg")} svg { color: var(--ink) }</style>
<rect width="100%" height="100%" fill="${colour("ground")}"/>
<text x="16" y="23" font-size="15" font-weight="600" fill="${colour("ink")}">${escaped(titleOf(summary))}</text>
<g transform="translate(0,${CHART_TOP})">${chart(summary, { width: WIDTH, height: CHART_HEIGHT })}</g>
<g transform="translate(0,${top})" fill="${colour("ink")}">${legend.text}</g>
<text x="16" y="${height - 9}" font-size="11" fill="${colour("faint")}">${escaped(footOf(summary))}</text>
</svg>
`;
}

const footOf = ({ items }: Summary): string =>
  `${count(items, "item")}, 95 % bootstrap intervals. Filled: on the frontier. Diamond and dashed line: the dense run.`;

interface Legend {
  readonly text: string;
  readonly lines: number;
}

function legendOf(points: readonly PlotPoint[]): Legend {
  const head = row(0, "ink", ["", "recipe", "FLOPs saved", "quality [95 %]"], "system-ui, sans-serif");
  const start: Legend = { text: head, lines: 1 };
  return points.reduce((legend, point) => {
    const names = wrapped(point.recipe, RECIPE_CHARACTERS);
    const { key, kind, flops_saved, quality, ci95 } = point;
    const first = [key, names[0]!, percent(flops_saved), `${figure(quality)} ${range(ci95)}`];
    const rows = names.map((name, i) => row(legend.lines + i, kind, i === 0 ? first : ["", name, "", ""]));
    return { text: legend.text + rows.join(""), lines: legend.lines + names.length };
  }, start);
}

function row(
  line: number,
  kind: "ink" | PlotPoint["kind"],
  cells: readonly string[],
  font = "ui-monospace, monospace",
): string {
  const y = line * LINE;
  const [key, recipe, saved, quality] = cells.map(escaped);
  const end = `y="${y}" text-anchor="end" style="font-variant-numeric: tabular-nums"`;
  return (
    `<text x="${COLUMNS.key}" y="${y}" font-weight="600" fill="${colour(kind)}">${key}</text>` +
    `<text x="${COLUMNS.recipe}" y="${y}" font-size="11" font-family="${font}">${recipe}</text>` +
    `<text x="${COLUMNS.saved}" ${end}>${saved}</text><text x="${COLUMNS.quality}" ${end}>${quality}</text>`
  );
}

/** Lines of at most `most` characters, broken after a space, comma or colon if possible. */
export function wrapped(text: string, most: number): string[] {
  if (text.length <= most) return [text];
  const at = Math.max(...[" ", ",", ":"].map((mark) => text.lastIndexOf(mark, most - 1)));
  const cut = at > 0 ? at + 1 : most;
  return [text.slice(0, cut).trimEnd(), ...wrapped(text.slice(cut), most)];
}
