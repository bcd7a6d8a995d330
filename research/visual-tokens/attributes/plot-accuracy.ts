import * as Plot from "@observablehq/plot";
import { type Colour, colour } from "../../../src/lab/report/plot/colours.ts";
import { type Asked, askedKinds } from "./measure.ts";
import { axis, framed, PANELS, panels } from "./plot-frame.ts";
import type { Named, Page, Results } from "./results.ts";
import { savedOf } from "./saved.ts";

/** Kinds of recipe by their names; the first match counts. A mark's shape tells them apart without colour. */
const KINDS: Readonly<Record<Page, readonly (readonly [RegExp, string, Colour, string])[]>> = {
  feather: [
    [/^dense$/, "dense", "dense", "diamond"],
    [/^(union|two|one|feather)/, "feather: without rotary, with a grid", "frontier", "circle"],
    [/^no rotary/, "feather: without rotary, no grid", "better", "triangle"],
    [/^fastv/, "fastv", "worse", "square"],
    [/^uniform/, "a grid alone", "other", "plus"],
    [/^random/, "random", "other", "times"],
  ],
  yopo: [
    [/^dense$/, "dense", "dense", "diamond"],
    [/^layers \d$/, "layers", "frontier", "circle"],
    [/^radius/, "neighbours", "better", "triangle"],
    [/heads/, "heads", "worse", "square"],
    [/neurons/, "feed-forward", "other", "plus"],
    [/./, "several", "other", "times"],
  ],
};

/** Marks as the legend writes them. */
const GLYPHS: Readonly<Record<string, string>> = {
  ...{ diamond: "◇", circle: "○", triangle: "△", square: "□", plus: "+", times: "×" },
};

const QUESTIONS: Readonly<Record<Asked, string>> = {
  where: "where an object is",
  whole: "what the whole shows",
  read: "a strip of digits",
};

const shareOf = (digits: string): number => (100 * [...digits].filter((digit) => digit === "1").length) / digits.length;

/** Right answers against the visual FLOPs saved, a panel a question. */
export function accuracySvg(page: Page, results: Results): string {
  const kinds = KINDS[page];
  const kindOf = ({ name }: Named) => kinds.find(([of]) => of.test(name))!;
  const points = results.answers
    .filter(({ name }) => name !== "dense, shuffled")
    .flatMap((one) =>
      askedKinds.map((kind) => ({
        ...{ question: QUESTIONS[kind], saved: 100 * savedOf(page, one, results), right: shareOf(one.right[kind]) },
        ...{ kind: kindOf(one)[1], recipe: one.recipe.join(" ") || "dense" },
      })),
    );
  const svg = Plot.plot({
    ...panels,
    fx: { domain: Object.values(QUESTIONS), label: null, padding: 0.08 },
    x: { domain: [-4, 90] },
    y: { domain: [0, 104] },
    color: { domain: kinds.map(([, kind]) => kind), range: kinds.map(([, , ink]) => colour(ink)) },
    symbol: { domain: kinds.map(([, kind]) => kind), range: kinds.map(([, , , mark]) => mark) },
    marks: [
      Plot.gridX({ ticks: [0, 20, 40, 60, 80], stroke: colour("line"), strokeOpacity: 1 }),
      Plot.gridY({ ticks: [0, 25, 50, 75, 100], stroke: colour("line"), strokeOpacity: 1 }),
      Plot.axisX({ ...axis, ticks: [0, 20, 40, 60, 80], label: "visual FLOPs saved (%)", labelAnchor: "center" }),
      Plot.axisY({ ...axis, ticks: [0, 25, 50, 75, 100], label: "right answers (%)", labelAnchor: "center" }),
      Plot.axisFx({ anchor: "top", tickSize: 0, fill: colour("ink") }),
      Plot.dot(points, {
        ...{ fx: "question", x: "saved", y: "right", r: 4.5, strokeWidth: 1.75, stroke: "kind", symbol: "kind" },
        title: ({ recipe, saved, right }) => `${recipe}\n${right.toFixed(1)} % right, ${saved.toFixed(1)} % saved`,
      }),
    ],
  });
  const title = `What ${page} loses in the world of attributes, by visual FLOPs saved`;
  return framed(title, svg.outerHTML, {
    ...PANELS,

    legend: kinds.map(([, kind, ink, mark]) => [kind, ink, GLYPHS[mark]!]),
  });
}
