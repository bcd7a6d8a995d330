import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { flopsText } from "../../lab/report/format.ts";
import { colour, colourStyle } from "../../lab/report/plot/colours.ts";
import type { Spent } from "./spent.ts";

const WIDTH = 760;
/** Pixels of one recipe's bars, and of the axis. */
const [ROW, AXIS] = [84, 30];
const MARGIN = { marginTop: 8, marginRight: 12, marginBottom: AXIS, marginLeft: 84 };

const { document } = parseHTML("<!doctype html><body></body>");

/**
 * FLOPs over time, a row a recipe, as an SVG file that is light or dark as the reader prefers: a pale bar is what dense
 * would have spent, the full one in it what was spent.
 */
export function spentChart(bars: readonly Spent[], recipes: readonly string[], span: number): string {
  const shown = bars.filter(({ recipe }) => recipes.includes(recipe));
  const svg = Plot.plot({
    ...{ document, width: WIDTH, height: recipes.length * ROW + AXIS, ...MARGIN },
    x: { type: "utc", domain: domainOf(shown, span), label: null },
    y: { insetTop: 22 },
    fy: { domain: [...recipes], axis: null, padding: 0.12 },
    marks: [
      Plot.gridY({ ticks: 2, stroke: colour("line"), strokeOpacity: 1 }),
      Plot.axisX({ tickSize: 0, fill: colour("faint"), ticks: 6 }),
      Plot.axisY({ tickSize: 0, fill: colour("faint"), ticks: 2, tickFormat: flopsText, label: null }),
      bar(shown, span, "dense", 0.3),
      bar(shown, span, "spent", 1),
      Plot.text(recipes, {
        ...{ fy: (recipe: string) => recipe, text: (recipe: string) => recipe, frameAnchor: "top-left" },
        ...{ dy: 4, fill: colour("ink"), fontWeight: 600, lineWidth: 50, textOverflow: "ellipsis-end" },
      }),
    ],
  });
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  const style = `<style>${colourStyle("svg")} svg{font:12px system-ui,sans-serif}</style>`;
  return svg.outerHTML.replace(/^<svg[^>]*>/, (opening: string) => opening + style);
}

const bar = (bars: readonly Spent[], span: number, of: "dense" | "spent", fillOpacity: number): Plot.Markish =>
  Plot.rectY([...bars], {
    ...{ x1: ({ from }: Spent) => new Date(from + span * 0.1), x2: ({ from }: Spent) => new Date(from + span * 0.9) },
    ...{ y1: 0, y2: of, fy: "recipe", fill: colour("frontier"), fillOpacity },
  });

/** From the first bar to the end of the last, and a few spans at least. */
function domainOf(bars: readonly Spent[], span: number): [Date, Date] {
  const end = bars.at(-1)!.from + span;
  return [new Date(Math.min(bars[0]!.from, end - 12 * span)), new Date(end)];
}
