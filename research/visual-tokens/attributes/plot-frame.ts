import { parseHTML } from "linkedom";
import { type Colour, colour, colourStyle } from "../../../src/lab/report/plot/colours.ts";

export const { document } = parseHTML("<!doctype html><body></body>");

export const axis = { tickSize: 0, fill: colour("faint"), labelArrow: "none" } as const;

/** A row of panels under a title. */
export const PANELS = { width: 760, height: 300 } as const;
const margins = { marginLeft: 56, marginBottom: 40, marginTop: 26 } as const;
export const panels = { document, ...PANELS, ...margins, style: { fontSize: "12px" } } as const;

interface Frame {
  readonly width: number;
  readonly height: number;
  readonly legend: readonly (readonly [name: string, ink: Colour, glyph: string])[];
}

/** A drawing under its title, with a legend below it, light or dark as the reader prefers. */
export function framed(title: string, inside: string, { width, height, legend }: Frame): string {
  const [top, foot] = [34, 22 * Math.ceil(legend.length / 3) + 10];
  const all = top + height + foot;
  const entries = legend.map(([name, ink, glyph], i) => {
    const [x, y] = [20 + 240 * (i % 3), top + height + 14 + 22 * Math.floor(i / 3)];
    return `<text x="${x}" y="${y}" fill="${colour(ink)}" font-weight="600">${glyph}</text><text x="${x + 20}" y="${y}" fill="${colour("ink")}">${name}</text>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${all}" width="${width}" height="${all}" role="img" aria-labelledby="title" font-family="system-ui, sans-serif" font-size="12">`,
    `<title id="title">${title}</title>`,
    `<style>${colourStyle("svg")} svg { color: var(--ink) }</style>`,
    `<rect width="100%" height="100%" fill="${colour("ground")}"/>`,
    `<text x="16" y="22" font-size="15" font-weight="600" fill="${colour("ink")}">${title}</text>`,
    `<g transform="translate(0,${top})">${inside}</g>`,
    ...entries,
    "</svg>\n",
  ].join("\n");
}
