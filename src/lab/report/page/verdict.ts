import { type Html, html } from "../../../util/html.ts";
import type { Summary } from "../../results.ts";
import { advice, BOUND } from "../advice.ts";
import { figure, percent, range, signed } from "../format.ts";
import type { PlotPoint } from "../plot/points.ts";
import { recipeName } from "./table.ts";

/** The worse end of the difference's interval, for this metric. */
const worstEnd = (metric: Summary["metric"], { delta }: PlotPoint): number =>
  metric.better === "higher" ? delta.ci95[0] : delta.ci95[1];

/** One or two sentences on which recipe to deploy. */
export function verdict(summary: Summary, points: readonly PlotPoint[]): Html {
  const { metric, items } = summary;
  const recommendation = advice(summary, points);
  if (recommendation === undefined) return html`<p>No recipe of this run saves FLOPs.</p>`;
  const { most, best, shown } = recommendation;
  const bound = whole(percent(BOUND));
  if (best === undefined)
    return html`<p>Every recipe that saves FLOPs loses more than ${bound} of dense's quality on these ${items} items. ${mostOf(metric, most)}</p>`;
  const cannot = html`a change of ${metric.name} as bad as ${signed(worstEnd(metric, best))} cannot be excluded`;
  const which = shown
    ? html`Of the recipes proven to lose no more than ${bound} of dense's quality on ${items} items, `
    : html`<strong>Too few items to tell (${items}).</strong> Of the recipes that lose no more than ${bound} of dense's quality on average, `;
  const saves = html`${recipeName(best.recipe)} saves the most: ${whole(percent(best.flops_saved))} of FLOPs, ${metric.name} ${change(best)}; ${cannot}.`;
  return html`<p>${which}${saves}${best === most ? "" : html` ${mostOf(metric, most)}`}</p>`;
}

const mostOf = (metric: Summary["metric"], point: PlotPoint): Html =>
  html`${recipeName(point.recipe)} saves the most of all: ${whole(percent(point.flops_saved))}, ${metric.name} ${change(point)}.`;

const change = ({ quality, delta }: PlotPoint): Html =>
  html`${figure(quality)}, ${whole(`${signed(delta.mean)} against dense`)} ${whole(range(delta.ci95, signed))}`;

/** The text, kept on one line. */
const whole = (text: string): Html => html`<span class="whole">${text}</span>`;
