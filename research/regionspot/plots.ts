/** Draws the plots of RegionSpot's page from its results: `npx tsx research/regionspot/plots.ts`. */
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import * as Plot from "@observablehq/plot";
import { type Colour, colour } from "../../src/lab/report/plot/colours.ts";
import { mean } from "../../src/util/mean.ts";
import { root } from "../../tools/section.ts";
import { axis, framed, PANELS, panels } from "../visual-tokens/attributes/plot-frame.ts";
import type { Accuracy } from "./score.ts";
import type { CostRow } from "./times.ts";

const FOLDER = join(root, "research/regionspot/results");
const read = <T>(name: string): T => JSON.parse(readFileSync(join(FOLDER, `${name}.json`), "utf8"));

const ARMS: readonly (readonly [name: string, ink: Colour, glyph: string])[] = [
  ["RegionSpot", "frontier", "●"],
  ["crop-and-classify", "worse", "■"],
  ["mean of the box's tokens", "other", "▲"],
];
const inks = { domain: ARMS.map(([name]) => name), range: ARMS.map(([, ink]) => colour(ink)) };
const marks = { domain: inks.domain, range: ["circle", "square", "triangle"] };

/** FLOPs and time of one picture by the number of its regions, both axes in powers. */
function costSvg(rows: readonly CostRow[]): string {
  const points = rows.flatMap(({ regions, flops, ms }) =>
    (["module", "crops"] as const).flatMap((arm) => [
      { regions, arm: arm === "module" ? "RegionSpot" : "crop-and-classify", unit: "MFLOP", value: flops[arm] / 1e6 },
      { regions, arm: arm === "module" ? "RegionSpot" : "crop-and-classify", unit: "milliseconds", value: ms[arm] },
    ]),
  );
  const svg = Plot.plot({
    ...panels,
    fx: { domain: ["MFLOP", "milliseconds"], label: null, padding: 0.1 },
    x: { type: "log", base: 2 },
    y: { type: "log", base: 10 },
    color: inks,
    symbol: marks,
    marks: [
      Plot.gridY({ stroke: colour("line"), strokeOpacity: 1 }),
      Plot.axisX({ ...axis, tickFormat: "d", label: "regions of the picture", labelAnchor: "center" }),
      Plot.axisY({ ...axis, tickFormat: "~s", label: "of one picture", labelAnchor: "center" }),
      Plot.axisFx({ anchor: "top", tickSize: 0, fill: colour("ink") }),
      Plot.line(points, { fx: "unit", x: "regions", y: "value", z: "arm", stroke: "arm", strokeWidth: 2 }),
      Plot.dot(points, { fx: "unit", x: "regions", y: "value", fill: "arm", stroke: "arm", symbol: "arm", r: 3.5 }),
    ],
  });
  return framed("What a picture costs by its regions", svg.outerHTML, { ...PANELS, legend: ARMS.slice(0, 2) });
}

interface Sets {
  readonly base: Accuracy;
  readonly novel: Accuracy;
}
interface Baselines {
  readonly split: string;
  readonly crop: Sets;
  readonly pool: Sets;
}
interface Bridge {
  readonly split: string;
  readonly layers: number;
  readonly arm: string;
  readonly steps: number;
  readonly own: Sets;
}

const SETS = {
  "learned, among all": ({ base }: Sets) => base.amongAll,
  "never learned, among all": ({ novel }: Sets) => novel.amongAll,
  "never learned, among themselves": ({ novel }: Sets) => novel.among,
} as const;
const SPLITS: Readonly<Record<string, string>> = { colours: "pairs left out", drawings: "drawings left out" };

/** Right names by the labels that were asked for; bridges are the mean of their seeds. */
function accuracySvg(baselines: readonly Baselines[], bridges: readonly Bridge[]): string {
  const points = baselines.flatMap(({ split, crop, pool }) =>
    Object.entries(SETS).flatMap(([set, of]) => {
      const own = bridges.filter(
        (one) => one.split === split && one.arm === "own" && one.layers === 3 && one.steps > 1,
      );
      const point = (arm: string, right: number) => ({ set, split: SPLITS[split]!, arm, right: 100 * right });
      return [
        point(ARMS[0]![0], mean(own.map((one) => of(one.own)))),
        point(ARMS[1]![0], of(crop)),
        point(ARMS[2]![0], of(pool)),
      ];
    }),
  );
  const svg = Plot.plot({
    ...{ ...panels, marginLeft: 120 },
    fx: { domain: Object.keys(SETS), label: null, padding: 0.1 },
    x: { domain: [0, Math.ceil(Math.max(...points.map(({ right }) => right)) / 10) * 10] },
    y: { domain: Object.values(SPLITS), label: null, padding: 0.4 },
    color: inks,
    symbol: marks,
    marks: [
      Plot.gridX({ stroke: colour("line"), strokeOpacity: 1, ticks: 5 }),
      Plot.axisX({ ...axis, ticks: 5, label: "regions named right (%)", labelAnchor: "center" }),
      Plot.axisY({ ...axis, label: null }),
      Plot.axisFx({ anchor: "top", tickSize: 0, fill: colour("ink") }),
      Plot.dot(points, { fx: "set", x: "right", y: "split", fill: "arm", stroke: "arm", symbol: "arm", r: 5 }),
    ],
  });
  const title = "Regions named right, in the boxes of their masks";
  return framed(title, svg.outerHTML, { ...PANELS, legend: ARMS });
}

/** The plots by their files. */
export const plots = (): Map<string, string> =>
  new Map([
    [join(FOLDER, "cost.svg"), costSvg(read("cost"))],
    [join(FOLDER, "accuracy.svg"), accuracySvg(read("baselines"), read("bridges"))],
  ]);

if (process.argv[1] === import.meta.filename) for (const [file, svg] of plots()) writeFileSync(file, svg);
