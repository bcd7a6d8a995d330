import * as Plot from "@observablehq/plot";
import { parseHTML } from "linkedom";
import type { Result } from "./run.ts";

const { document } = parseHTML("<!doctype html><body></body>");

/** Lines of the plot, readable on a light and on a dark ground. */
const COLOURS: Readonly<Record<string, string>> = {
  energy: "#c2410c",
  softmax: "#2563eb",
  random: "#808080",
  oracle: "#15803d",
};

/** Accuracy against Super's share as an SVG file: energy, softmax, random and the oracle. */
export function plotOf({ shares, curves, set, swift, super: strong }: Result): string {
  const points = Object.keys(COLOURS).flatMap((name) =>
    curves[name]!.map((accuracy, i) => ({ name, share: 100 * shares[i]!, accuracy: 100 * accuracy })),
  );
  const svg = Plot.plot({
    ...{ document, width: 640, height: 360, marginLeft: 48, marginRight: 64 },
    style: { background: "none", color: "#808080", fontSize: "12px" },
    x: { label: `texts that go to Super, ${strong} (%)`, grid: true },
    y: { label: `accuracy (%): ${set.name}, Swift ${swift}`, grid: true },
    color: { domain: Object.keys(COLOURS), range: Object.values(COLOURS) },
    marks: [
      Plot.line(points, { x: "share", y: "accuracy", stroke: "name", strokeWidth: 2 }),
      Plot.text(
        points.filter(({ share }) => share === 50),
        { x: "share", y: "accuracy", text: "name", fill: "name", dy: -9 },
      ),
    ],
  });
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  return `${svg.outerHTML}\n`;
}
