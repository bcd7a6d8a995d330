import * as Plot from "@observablehq/plot";
import { type Colour, colour } from "../../../src/lab/report/plot/colours.ts";
import type { Attention, Rows } from "./maps.ts";
import { SIDE } from "./measure.ts";
import { axis, framed, PANELS, panels } from "./plot-frame.ts";

/** Shares of the rows' tokens among the best quarter: without a model, and after two layers of the trained one. */
export function biasSvg({ planted, trained }: Attention): string {
  const drawn: readonly (readonly [string, readonly (readonly [string, Rows])[]])[] = [
    [
      "no model: random queries and keys",
      [
        ["rotary", planted.rotary],
        ["rotary, rows in reverse order", planted.reversed],
        ["without rotary", planted.none],
      ],
    ],
    ...trained
      .filter(({ after }) => after === 1 || after === 3)
      .map(
        ({ after, rotary, none }) =>
          [
            `trained, after layer ${after}`,
            [
              ["rotary", rotary],
              ["without rotary", none],
            ],
          ] as const,
      ),
  ];
  const points = drawn.flatMap(([panel, lines]) =>
    lines.flatMap(([line, rows]) => rows.map((share, row) => ({ panel, line, row: row + 1, share: 100 * share }))),
  );
  const lines: readonly (readonly [string, Colour])[] = [
    ["rotary", "worse"],
    ["rotary, rows in reverse order", "other"],
    ["without rotary", "frontier"],
  ];
  const svg = Plot.plot({
    ...panels,
    fx: { domain: drawn.map(([panel]) => panel), label: null, padding: 0.08 },
    x: { domain: [1, SIDE] },
    y: { domain: [0, 85] },
    color: { domain: lines.map(([name]) => name), range: lines.map(([, ink]) => colour(ink)) },
    marks: [
      Plot.gridY({ ticks: [0, 25, 50, 75], stroke: colour("line"), strokeOpacity: 1 }),
      Plot.axisX({ ...axis, ticks: [1, 4, 8, 12], label: "row of the picture, from the top", labelAnchor: "center" }),
      Plot.axisY({ ...axis, ticks: [0, 25, 50, 75], label: "kept of a row (%)", labelAnchor: "center" }),
      Plot.axisFx({ anchor: "top", tickSize: 0, fill: colour("ink") }),
      Plot.ruleY([25], { stroke: colour("faint"), strokeDasharray: "4 4" }),
      Plot.line(points, { fx: "panel", x: "row", y: "share", z: "line", stroke: "line", strokeWidth: 2 }),
    ],
  });
  const title = "The best quarter of a picture's tokens by attention, by row";
  return framed(title, svg.outerHTML, {
    ...PANELS,

    legend: lines.map(([name, ink]) => [name, ink, "—"]),
  });
}
