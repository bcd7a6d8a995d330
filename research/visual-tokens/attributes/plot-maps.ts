import { columnWords, rowWords } from "../../../src/lab/data/attributes/words.ts";
import { colour } from "../../../src/lab/report/plot/colours.ts";
import type { Attention } from "./maps.ts";
import { SIDE } from "./measure.ts";
import { framed } from "./plot-frame.ts";

const CELL = 13;
const SQUARE = `h${CELL}v${CELL}h-${CELL}z`;
const GRID = { width: CELL * (SIDE + 1), height: CELL * SIDE };
/** Layers whose maps are drawn. */
const MAPPED = [1, 2, 3, 4];

/** One picture's attention by cell, with and without rotary embedding; the asked object is framed, kept cells are dotted. */
export function mapsSvg({ map }: Attention): string {
  const [row, column] = map.answer.split(" ") as [string, string];
  const asked = rowWords.indexOf(row) * (SIDE + 1) + 1 + columnWords.indexOf(column);
  const drawn = MAPPED.flatMap((after, i) => {
    const { rotary, none, kept } = map.layers.find((layer) => layer.after === after)!;
    const x = 24 + i * (GRID.width + 14);
    return [
      `<text x="${x}" y="12" fill="${colour("ink")}">after layer ${after}</text>`,
      gridSvg({ x, y: 22 }, rotary, asked, []),
      gridSvg({ x, y: 22 + GRID.height + 14 }, none, asked, kept),
    ];
  });
  const side = (y: number, text: string) =>
    `<text transform="translate(16,${y}) rotate(-90)" text-anchor="middle" fill="${colour("faint")}">${text}</text>`;
  const [height, middle] = [22 + 2 * GRID.height + 20, GRID.height / 2];
  const sides = [side(22 + middle, "rotary"), side(22 + GRID.height + 14 + middle, "without")];
  const title = `Attention of the last token of “${map.question}”, by cell; the object is framed`;
  const legend = [["kept by feather, 42 of 156", "frontier", "●"]] as const;
  return framed(title, [...sides, ...drawn].join("\n"), { width: 760, height, legend });
}

/** The darker, the more: square roots, so that small shares can be seen. */
function gridSvg(
  at: { readonly x: number; readonly y: number },
  scores: readonly number[],
  cell: number,
  kept: readonly number[],
): string {
  const most = Math.sqrt(Math.max(...scores));
  const place = (cell: number) => [CELL * (cell % (SIDE + 1)), CELL * Math.floor(cell / (SIDE + 1))] as const;
  const cells = scores.flatMap((score, cell) => {
    const [x, y] = place(cell);
    const opacity = (Math.sqrt(score) / most).toFixed(2);
    return Number(opacity) > 0 ? [`<path d="M${x} ${y}${SQUARE}" opacity="${opacity}"/>`] : [];
  });
  const dots = kept.map((cell) => {
    const [x, y] = place(cell);
    return `<circle cx="${x + CELL / 2}" cy="${y + CELL / 2}" r="2.5"/>`;
  });
  const [x, y] = place(cell);
  return [
    `<g transform="translate(${at.x},${at.y})">`,
    `<rect width="${GRID.width}" height="${GRID.height}" fill="${colour("panel")}"/>`,
    `<g fill="${colour("ink")}">${cells.join("")}</g>`,
    `<g fill="${colour("frontier")}">${dots.join("")}</g>`,
    `<rect x="${x}" y="${y}" width="${CELL}" height="${CELL}" fill="none" stroke="${colour("worse")}" stroke-width="2"/></g>`,
  ].join("");
}
