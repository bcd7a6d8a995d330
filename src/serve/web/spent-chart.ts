import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { flopsText } from "../../lab/report/format.ts";
import { colour, colourStyle } from "../../lab/report/plot/colours.ts";
import { tickText } from "./comparison.ts";
import type { Spent } from "./spent.ts";

/** The chart's size in pixels. Phones show it at nearly this width, so its letters remain readable. */
const [WIDTH, HEIGHT] = [360, 130];
const MARGIN = { marginTop: 10, marginRight: 12, marginBottom: 32, marginLeft: 84 };

const { document } = parseHTML("<!doctype html><body></body>");

/**
 * FLOPs of one recipe over time, on their own scale, as an SVG file that is light or dark as the reader prefers: a pale
 * bar for the dense run's cost, and over it a full bar for the FLOPs spent.
 */
export function spentChart(bars: readonly Spent[], domain: readonly [Date, Date], span: number): string {
  const svg = Plot.plot({
    ...{ document, width: WIDTH, height: HEIGHT, ...MARGIN },
    x: { type: "utc", domain: [...domain], label: null },
    y: { label: null, nice: 2 },
    marks: [
      Plot.gridY({ ticks: 2, stroke: colour("line"), strokeOpacity: 1 }),
      Plot.axisX({ tickSize: 0, fill: colour("faint"), ticks: 4 }),
      Plot.axisY({ tickSize: 0, fill: colour("faint"), ticks: 2, tickFormat: flopsTick, label: null }),
      bar(bars, span, "dense", 0.3),
      bar(bars, span, "spent", 1),
    ],
  });
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  const style = `<style>${colourStyle("svg")} svg{font:12px system-ui,sans-serif}</style>`;
  return svg.outerHTML.replace(/^<svg[^>]*>/, (opening: string) => opening + style);
}

const flopsTick = (flops: number): string => tickText(flops, flopsText);

const bar = (bars: readonly Spent[], span: number, of: "dense" | "spent", fillOpacity: number): Plot.Markish =>
  Plot.rectY([...bars], {
    ...{ x1: ({ from }: Spent) => new Date(from + span * 0.1), x2: ({ from }: Spent) => new Date(from + span * 0.9) },
    ...{ y1: 0, y2: of, fill: colour("frontier"), fillOpacity },
  });

/** The time from the first bar to the end of the last, with a minimum length. */
export function domainOf(bars: readonly Spent[], span: number): [Date, Date] {
  const end = bars.at(-1)!.from + span;
  return [new Date(Math.min(bars[0]!.from, end - 12 * span)), new Date(end)];
}
