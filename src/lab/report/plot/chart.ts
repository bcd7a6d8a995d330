import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { escaped } from "../../../util/html.ts";
import type { Summary } from "../../results.ts";
import { figure, percent, range } from "../format.ts";
import { colour } from "./colours.ts";
import { type Box, LABEL_HEIGHT, type LabelledPoint, placeLabels } from "./place.ts";
import { frontierOf, type PlotPoint, pointsOf } from "./points.ts";

export interface Size {
  readonly width: number;
  readonly height: number;
}

const MARGIN = { top: 28, right: 16, bottom: 42, left: 58 };
const FONT = 12;
/** The width of a label's characters: digits and lower-case letters. */
const CHARACTER = 7;

const axis = { tickSize: 0, fill: colour("faint"), labelArrow: "none" } as const;
const axisOf = ({ name, better }: Summary["metric"]) => `${name} (${better} is better)`;

/** Quality by FLOPs saved as an SVG element, one point per recipe, each labelled with its key. Colours are CSS variables. */
export function chart(summary: Summary, size: Size): string {
  const points = pointsOf(summary);
  const svg = drawing(summary, points, size);
  const [x, y] = [svg.scale("x")!, svg.scale("y")!];
  const at = (point: PlotPoint) => ({ x: x.apply(saved(point)), y: y.apply(point.quality) });
  const spans = points.map((point) => {
    const [low, high] = point.ci95.map((end) => y.apply(end) as number);
    return thin(at(point).x, low!, at(point).x, high!);
  });
  const levels = points.filter(isDense).map((point) => thin(0, at(point).y, size.width, at(point).y));
  const lines = [...spans, ...levels, ...steps(frontierOf(points).map(at))];
  const labels = labelsOf(points, at, size, lines);
  return svg.outerHTML.replace(/<\/svg>$/, `${labels}</svg>`);
}

const { document } = parseHTML("<!doctype html><body></body>");

const saved = (point: PlotPoint): number => point.flops_saved * 100;

function drawing({ metric }: Summary, points: readonly PlotPoint[], size: Size) {
  return Plot.plot({
    ...{ document, ...size, style: { fontSize: `${FONT}px` } },
    ...{ marginTop: MARGIN.top, marginRight: MARGIN.right, marginBottom: MARGIN.bottom, marginLeft: MARGIN.left },
    x: { domain: savedDomain(points) },
    y: qualityScale(points),
    marks: [...frame(metric, size), ...linesOf(points), dots(points)],
  });
}

const frame = (metric: Summary["metric"], { width, height }: Size): Plot.Markish[] => [
  Plot.gridX({ ticks: width / 80, stroke: colour("line"), strokeOpacity: 1 }),
  Plot.gridY({ ticks: height / 60, stroke: colour("line"), strokeOpacity: 1 }),
  Plot.axisX({ ...axis, ticks: width / 80, label: "FLOPs saved against dense (%)", labelAnchor: "center" }),
  Plot.axisY({ ...axis, ticks: height / 60, label: axisOf(metric), labelOffset: MARGIN.left - 16 }),
];

/** Dense's level, the frontier, and the intervals. */
const linesOf = (points: readonly PlotPoint[]): Plot.Markish[] => [
  Plot.ruleY(points.filter(isDense), { y: "quality", stroke: colour("dense"), strokeDasharray: "4 4" }),
  Plot.line(frontierOf(points), { x: saved, y: "quality", curve: "step-before", stroke: colour("frontier") }),
  Plot.ruleX(points, {
    ...{ x: saved, y1: (point: PlotPoint) => point.ci95[0], y2: (point: PlotPoint) => point.ci95[1] },
    ...{ stroke: strokeOf, strokeWidth: 1.5, strokeOpacity: 0.6 },
  }),
];

const dots = (points: readonly PlotPoint[]): Plot.Markish =>
  Plot.dot(
    points.toSorted((a, b) => layer(a) - layer(b)),
    {
      ...{ x: saved, y: "quality", r: 5, strokeWidth: 1.75, stroke: strokeOf, title: hint },
      fill: (point: PlotPoint) => (point.kind === "other" ? colour("ground") : strokeOf(point)),
      symbol: (point: PlotPoint) => (isDense(point) ? "diamond" : "circle"),
    },
  );

const isDense = ({ kind }: PlotPoint): boolean => kind === "dense";

/** Draws other points first, then the frontier, and dense on top. */
const layer = (point: PlotPoint): number => (isDense(point) ? 2 : Number(point.on_frontier));

const strokeOf = ({ kind }: PlotPoint): string => colour(kind);

/** The text shown when the pointer rests on a point. */
const hint = ({ recipe, quality, ci95, flops_saved }: PlotPoint): string =>
  `${recipe}\nquality ${figure(quality)} ${range(ci95)}\nFLOPs saved ${percent(flops_saved)}`;

const thin = (x1: number, y1: number, x2: number, y2: number): Box => ({
  ...{ left: Math.min(x1, x2) - 1, right: Math.max(x1, x2) + 1 },
  ...{ top: Math.min(y1, y2) - 1, bottom: Math.max(y1, y2) + 1 },
});

/** The frontier's line: from each point up or down to the next point's quality, then across. */
const steps = (points: readonly { x: number; y: number }[]): Box[] =>
  points.slice(1).flatMap((to, i) => {
    const from = points[i]!;
    return [thin(from.x, from.y, from.x, to.y), thin(from.x, to.y, to.x, to.y)];
  });

function labelsOf(
  points: readonly PlotPoint[],
  at: (point: PlotPoint) => { x: number; y: number },
  { width, height }: Size,
  lines: readonly Box[],
): string {
  const labelled = points.map((point) => ({ ...at(point), width: point.key.length * CHARACTER + 8 }));
  const area = {
    ...{ left: MARGIN.left, top: MARGIN.top - 10 },
    ...{ right: width - 2, bottom: height - MARGIN.bottom },
  };
  const boxes = placeLabels(labelled, area, lines);
  return `<g class="labels">${points.map((point, i) => labelOf(point, labelled[i]!, boxes[i]!)).join("")}</g>`;
}

function labelOf({ key, kind }: PlotPoint, { x, y }: LabelledPoint, box: Box): string {
  const [cx, cy] = [(box.left + box.right) / 2, (box.top + box.bottom) / 2];
  const text =
    `<text x="${cx.toFixed(1)}" y="${cy.toFixed(1)}" dy="0.34em" text-anchor="middle" font-size="${FONT}" ` +
    `font-weight="600" fill="${colour(kind)}" stroke="${colour("ground")}" stroke-width="3" paint-order="stroke">${escaped(key)}</text>`;
  return leader({ x, y }, box) + text;
}

/** A thin line from a point's edge to its label if they do not touch. */
function leader({ x, y }: { x: number; y: number }, box: Box): string {
  const [dx, dy] = [Math.max(box.left, Math.min(x, box.right)) - x, (box.top + box.bottom) / 2 - y];
  const length = Math.hypot(dx, dy);
  if (length < LABEL_HEIGHT + 6) return "";
  const [from, to] = [7 / length, 1 - (Math.abs(dx) < 1 ? LABEL_HEIGHT / 2 : 2) / length];
  const at = (t: number) => `${(x + dx * t).toFixed(1)} ${(y + dy * t).toFixed(1)}`;
  return `<path d="M${at(from)}L${at(to)}" stroke="${colour("faint")}" stroke-width="0.75" fill="none"/>`;
}

/** The ends of an axis: the values' range, padded on either side by a twentieth of it, or by `least` if it is empty. */
function padded(values: readonly number[], least: number): [number, number] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const pad = high > low ? (high - low) / 20 : least;
  return [low - pad, high + pad];
}

/** The percentage of FLOPs saved; dense's 0 is always shown. */
const savedDomain = (points: readonly PlotPoint[]): [number, number] =>
  padded([0, ...points.map((point) => point.flops_saved * 100)], 5);

interface QualityScale {
  readonly type: "linear" | "log";
  readonly domain: [number, number];
}

/**
 * Qualities with their intervals; on a logarithmic scale if the greatest is more than ten times the least (a perplexity
 * that diverged).
 */
function qualityScale(points: readonly PlotPoint[]): QualityScale {
  const ends = points.flatMap(({ quality, ci95 }) => [quality, ...ci95]);
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  if (low >= 1 && high > 10 * low) return { type: "log", domain: [low / 1.2, high * 1.2] };
  return { type: "linear", domain: padded(ends, Math.abs(high) / 20 || 0.05) };
}
