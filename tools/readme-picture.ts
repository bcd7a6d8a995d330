import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Colour, colour, colourStyle } from "../src/lab/report/plot/colours.ts";
import { type RecipeSummary, type Summary, summarySchema } from "../src/lab/results.ts";
import { root } from "./section.ts";

/** The README's picture, and the committed run that it shows. */
export const PICTURE = "docs/images/frontier.svg";
export const PICTURED = "research/xattention/results/smollm2-text-4k";

const [WIDTH, HEIGHT] = [760, 400];
const AREA = { left: 64, top: 64, right: WIDTH - 24, bottom: HEIGHT - 52 };
/** The axes' ranges: the share of FLOPs saved, and perplexity. */
const RANGE = { saved: [-0.01, 0.31], perplexity: [36, 52] } as const;

/** Kinds of recipe; the first match counts. The shape of a mark distinguishes them without colour. */
const KINDS: readonly { readonly of: RegExp; readonly name: string; readonly ink: Colour; readonly mark: string }[] = [
  { of: /^dense$/, name: "dense", ink: "dense", mark: '<path d="M0-8 6 0 0 8-6 0Z"/>' },
  { of: /threshold/, name: "xattention, by threshold", ink: "frontier", mark: '<circle r="5.5"/>' },
  {
    of: /tri-shape/,
    name: "tri-shape, a fixed window",
    ink: "frontier",
    mark: '<rect x="-5" y="-5" width="10" height="10"/>',
  },
  { of: /select=random/, name: "control: samples at random", ink: "faint", mark: '<path d="M0-6 6 5-6 5Z"/>' },
  { of: /./, name: "other ways to choose blocks", ink: "faint", mark: '<circle r="4" fill-opacity="0.35"/>' },
];

const kindOf = ({ recipe }: RecipeSummary) => KINDS.find(({ of }) => of.test(recipe))!;

const between = (value: number, [low, high]: readonly [number, number], from: number, to: number): number =>
  Math.round((from + ((value - low) / (high - low)) * (to - from)) * 10) / 10;
const x = (saved: number): number => between(saved, RANGE.saved, AREA.left, AREA.right);
const y = (perplexity: number): number => between(perplexity, RANGE.perplexity, AREA.bottom, AREA.top);

const text = (at: readonly [number, number], words: string, ink: Colour, more = ""): string =>
  `<text x="${at[0]}" y="${at[1]}" fill="${colour(ink)}" ${more}>${words}</text>`;

/** Plots quality against compute for one run on one text. */
export function picture({ recipes, items }: Summary): string {
  const marks = recipes.map((recipe) => {
    const { ink, mark } = kindOf(recipe);
    return `<g transform="translate(${x(recipe.flops_saved)},${y(recipe.quality)})" fill="${colour(ink)}">${mark}</g>`;
  });
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${HEIGHT}" width="${WIDTH}" height="${HEIGHT}" role="img" aria-labelledby="title" font-family="system-ui, sans-serif" font-size="12">`,
    `<title id="title">Perplexity against the share of FLOPs saved, of SmolLM2 on 4,096 tokens of Moby Dick</title>`,
    `<style>${colourStyle("svg")}</style>`,
    `<rect width="100%" height="100%" fill="${colour("ground")}"/>`,
    text(
      [16, 26],
      "What fewer FLOPs cost in quality: SmolLM2-135M reading 4,096 tokens of Moby Dick",
      "ink",
      'font-size="15" font-weight="600"',
    ),
    text([16, 46], `perplexity, lower is better; ${items} windows`, "faint"),
    ...[36, 40, 44, 48, 52].map((value) => gridline(value)),
    ...[0, 0.05, 0.1, 0.15, 0.2, 0.25, 0.3].map((share) =>
      text([x(share), AREA.bottom + 20], `${Math.round(share * 100)} %`, "faint", 'text-anchor="middle"'),
    ),
    text(
      [(AREA.left + AREA.right) / 2, HEIGHT - 10],
      "FLOPs saved against dense, the saving's own work included",
      "faint",
      'text-anchor="middle"',
    ),
    frontier(recipes),
    ...marks,
    ...legend(),
    "</svg>\n",
  ].join("\n");
}

const gridline = (value: number): string =>
  `<path d="M${AREA.left} ${y(value)}H${AREA.right}" stroke="${colour("line")}"/>${text([AREA.left - 8, y(value) + 4], String(value), "faint", 'text-anchor="end"')}`;

/** A step line through the recipes that no other recipe beats in both quality and saving. */
function frontier(recipes: readonly RecipeSummary[]): string {
  const steps = recipes.filter(({ on_frontier }) => on_frontier).sort((a, b) => a.flops_saved - b.flops_saved);
  const [first, ...rest] = steps.map(({ flops_saved, quality }) => [x(flops_saved), y(quality)] as const);
  const path = rest.map(([right, height]) => `V${height}H${right}`).join("");
  return `<path d="M${first!.join(" ")}${path}" fill="none" stroke="${colour("frontier")}" stroke-width="1.5"/>`;
}

const legend = (): string[] =>
  KINDS.map(({ name, ink, mark }, i) => {
    const top = AREA.top + 16 + i * 20;
    return `<g transform="translate(${AREA.left + 18},${top})" fill="${colour(ink)}">${mark}</g>${text([AREA.left + 34, top + 4], name, "ink")}`;
  });

/** The picture of the committed run. */
export const committedPicture = (): string =>
  picture(summarySchema.parse(JSON.parse(readFileSync(join(root, PICTURED, "summary.json"), "utf8"))));

if (process.argv[1] === import.meta.filename) writeFileSync(join(root, PICTURE), committedPicture());
