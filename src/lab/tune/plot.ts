import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import { figure, percent } from "../report/format.ts";
import { colour } from "../report/plot/colours.ts";
import type { TuneResult } from "./run.ts";
import { ladderText } from "./words.ts";

const { document } = parseHTML("<!doctype html><body></body>");

interface Point {
  readonly name: string;
  /** Per cent of dense's cost. */
  readonly cost: number;
  readonly loss: number;
  /** The ladder's place in the order of the test. */
  readonly place?: number;
  readonly kind: "searched" | "certified" | "failed" | "dense";
}

const axis = { tickSize: 0, fill: colour("faint"), labelArrow: "none" } as const;

/** Loss against cost as an SVG element; colours are CSS variables. */
export function plot(result: TuneResult): string {
  const points = pointsOf(result);
  const { risk } = result.setup.problem.bound;
  const costs = points.map(({ cost }) => cost);
  const losses = [0, 1.4 * risk, ...points.map(({ loss }) => loss)];
  const x = [Math.min(90, ...costs) - 4, Math.max(104, ...costs) + 4] as const;
  const pad = (Math.max(...losses) - Math.min(...losses)) / 20;
  const y = [Math.min(...losses) - pad, Math.max(...losses) + pad] as const;
  const strokeOf = ({ kind }: Point) =>
    colour(kind === "certified" ? "better" : kind === "failed" ? "worse" : kind === "dense" ? "dense" : "other");
  const svg = Plot.plot({
    ...{ document, width: 760, height: 380, marginLeft: 58, marginBottom: 42, marginTop: 20 },
    ...{ x: { domain: x }, y: { domain: y } },
    marks: [
      Plot.rect([{}], { x1: x[0], x2: 100, y1: y[0], y2: risk, fill: colour("better"), fillOpacity: 0.12 }),
      Plot.gridX({ stroke: colour("line"), strokeOpacity: 1 }),
      Plot.gridY({ stroke: colour("line"), strokeOpacity: 1 }),
      Plot.axisX({ ...axis, label: `${result.setup.request.options.cost} of dense's (%)`, labelAnchor: "center" }),
      Plot.axisY({ ...axis, label: result.setup.loss, labelOffset: 42 }),
      Plot.ruleY([risk], { stroke: colour("worse"), strokeDasharray: "4 4" }),
      Plot.text(
        points.filter(({ place }) => place !== undefined),
        { ...{ x: "cost", y: "loss", dy: -12, fill: colour("ink") }, text: ({ place }: Point) => String(place) },
      ),
      Plot.dot(points, {
        ...{ x: "cost", y: "loss", r: 5, strokeWidth: 1.75, stroke: strokeOf },
        fill: (point: Point) => (point.kind === "searched" ? colour("ground") : strokeOf(point)),
        title: ({ name, cost, loss }: Point) => `${name}\nloss ${figure(loss)}\n${percent(cost / 100)} of dense's cost`,
      }),
    ],
  });
  return svg.outerHTML;
}

function pointsOf({ rated, outcome }: TuneResult): Point[] {
  const dense = outcome.dense;
  const searched = rated.map(({ recipe, loss, price }) => ({
    ...{ name: recipe, cost: (100 * price) / dense, loss },
    kind: recipe === "dense" ? ("dense" as const) : ("searched" as const),
  }));
  const tested = outcome.verdicts.map(({ ladder, mean, certified }, i) => ({
    ...{ place: i + 1, name: ladderText(ladder), cost: (100 * outcome.order[i]!.price) / dense, loss: mean },
    kind: certified ? ("certified" as const) : ("failed" as const),
  }));
  return [...searched, ...tested];
}
