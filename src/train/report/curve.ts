import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { lineOf } from "./colours.ts";

/** A line of a plot. */
export interface Curve {
  /** The run's index in the legend. */
  readonly run: number;
  readonly points: readonly Point[];
  /** True for thin lines, which training's many values need; evaluations' few values get thick lines. */
  readonly thin: boolean;
}

export interface Point {
  readonly x: number;
  readonly y: number;
}

/** The maximum number of points per line; more would add no detail, but would make the page large. */
const MOST = 500;

/** Averages neighbours, so that at most `MOST` points remain; drops values that are not finite. */
export function thinned(points: readonly Point[]): Point[] {
  const known = points.filter(({ y }) => Number.isFinite(y));
  const size = Math.ceil(known.length / MOST);
  if (size <= 1) return known;
  return Array.from({ length: Math.ceil(known.length / size) }, (_, i) => {
    const some = known.slice(i * size, (i + 1) * size);
    return { x: some.at(-1)!.x, y: some.reduce((sum, { y }) => sum + y, 0) / some.length };
  });
}

const { document } = parseHTML("<!doctype html><body></body>");
const SIZE = { width: 760, height: 300, marginLeft: 62, marginBottom: 40 };

/** Plots curves as an SVG element, with a logarithmic y axis if the values span more than a factor of ten. */
export function plotted(curves: readonly Curve[], x: string, y: string): string {
  const lines = curves.map((curve) => ({ ...curve, points: thinned(curve.points) }));
  const heights = lines.flatMap(({ points }) => points.map((point) => point.y));
  const [low, high] = [Math.min(...heights), Math.max(...heights)];
  const svg = Plot.plot({
    ...{ document, ...SIZE, style: { fontSize: "12px" } },
    x: { label: x, labelAnchor: "center", labelArrow: "none", ticks: 8, tickFormat: "~s" },
    y: {
      label: y,
      labelArrow: "none",
      ticks: 5,
      tickFormat: ".3~g",
      type: low > 0 && high > 10 * low ? "log" : "linear",
    },
    marks: [
      Plot.gridX({ ticks: 8, stroke: "var(--line)", strokeOpacity: 1 }),
      Plot.gridY({ ticks: 5, stroke: "var(--line)", strokeOpacity: 1 }),
      ...lines.flatMap(marksOf),
    ],
  });
  return svg.outerHTML;
}

/** Curves with few points get dots, so that even a single point is visible. */
function marksOf({ run, points, thin }: Curve): Plot.Markish[] {
  const { stroke, dash } = lineOf(run);
  const look = { x: "x", y: "y", stroke, strokeWidth: thin ? 1 : 2, strokeOpacity: thin ? 0.55 : 1 };
  const line = Plot.line(points, { ...look, strokeDasharray: dash });
  return points.length > 40 ? [line] : [line, Plot.dot(points, { x: "x", y: "y", r: thin ? 1.5 : 3, fill: stroke })];
}
