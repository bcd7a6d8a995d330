import { type Html, html } from "../../../util/html.ts";
import type { Summary } from "../../results.ts";
import { advice } from "../advice.ts";
import { figure, percent, range, signed } from "../format.ts";
import type { PlotPoint } from "../plot/points.ts";
import { recipeName } from "./table.ts";

/** The end of the difference's interval on the metric's bad side. */
const worstEnd = (metric: Summary["metric"], { delta }: PlotPoint): number =>
  metric.better === "higher" ? delta.ci95[0] : delta.ci95[1];

/** What the run says of what to deploy, in a sentence or two. */
export function verdict({ metric, items }: Summary, points: readonly PlotPoint[]): Html {
  const found = advice(metric, points);
  if (found === undefined) return html`<p>No recipe of this run saves FLOPs.</p>`;
  const { most, safe } = found;
  if (safe === undefined)
    return html`<p>Every recipe that saves FLOPs is worse than dense on these ${items} items. ${mostOf(metric, most)}</p>`;
  const cannot = html`a change of ${metric.name} as bad as ${signed(worstEnd(metric, safe))} is not excluded`;
  const first = html`Of the recipes that these ${items} items do not show to be worse than dense, ${recipeName(safe.recipe)} saves most: ${whole(percent(safe.flops_saved))} of FLOPs, ${metric.name} ${change(safe)}; ${cannot}.`;
  return html`<p>${first}${safe === most ? "" : html` ${mostOf(metric, most)}`}</p>`;
}

const mostOf = (metric: Summary["metric"], point: PlotPoint): Html =>
  html`${recipeName(point.recipe)} saves most of all: ${whole(percent(point.flops_saved))}, ${metric.name} ${change(point)}.`;

const change = ({ quality, delta }: PlotPoint): Html =>
  html`${figure(quality)}, ${whole(`${signed(delta.mean)} against dense`)} ${whole(range(delta.ci95, signed))}`;

/** Never broken between lines. */
const whole = (text: string): Html => html`<span class="whole">${text}</span>`;
