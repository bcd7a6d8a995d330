/** Writes the tables of published models into RegionSpot's page: `npx tsx research/regionspot/published/page.ts`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { markdownTable, root, writeSection } from "../../../tools/section.ts";
import { type ArmName, arms } from "./arms.ts";
import type { CostRow } from "./cost.ts";
import type { Recall } from "./recall.ts";
import type { Share } from "./score.ts";

export const PAGE = "research/regionspot/README.md";
export const SECTION = "regionspot-published";
export const RESULTS = join(root, "research/regionspot/results/published.json");

/** Shares of regions that are named right: with learned names among all, and with left-out ones among themselves and among all. */
interface Shares {
  readonly learned: Share;
  readonly novel: Share;
  readonly novelAmongAll: Share;
}
interface Published {
  readonly steps: number;
  readonly seeds: number;
  readonly names: { readonly learned: number; readonly novel: number };
  readonly scenes: { readonly training: number; readonly heldOut: number };
  readonly regions: { readonly training: number; readonly heldOut: number };
  readonly trained: readonly (Shares & { readonly arm: ArmName })[];
  readonly untrained: Readonly<Record<"means" | "crops", Shares>>;
  readonly controls: Readonly<Record<"apart" | "shuffled" | "blind" | "exchanged", Shares>>;
  readonly recall: Recall;
  readonly cost: readonly CostRow[];
}

const three = (value: number): string => value.toFixed(3);
const cell = ({ share, ci95: [low, high] }: Share): string => `${three(share)} [${three(low)}, ${three(high)}]`;
const cells = ({ learned, novel, novelAmongAll }: Shares): string[] => [learned, novel, novelAmongAll].map(cell);
const HEAD = ["learned, among all names", "never learned, among themselves", "never learned, among all"];

export function publishedSection(): string {
  const found = JSON.parse(readFileSync(RESULTS, "utf8")) as Published;
  return [settings(found), accuracyTable(found), controlTable(found), recallSentence(found), costTable(found)].join(
    "\n\n",
  );
}

function settings({ scenes, regions, names, steps, seeds }: Published): string {
  return `${regions.training} regions of ${scenes.training} scenes to learn from, ${regions.heldOut} regions of ${scenes.heldOut} others; ${names.learned} names are learned, ${names.novel} are left out. ${seeds} seeds of each network, ${steps} steps each; intervals are over scenes.`;
}

function accuracyTable({ trained, untrained, names }: Published): string {
  const chance = [1 / (names.learned + names.novel), 1 / names.novel, 1 / (names.learned + names.novel)];
  return markdownTable(
    ["arm", ...HEAD],
    [
      ...trained.map((row) => [arms[row.arm].title, ...cells(row)]),
      ["nearest learned region, by the mean of the box's patches", ...cells(untrained.means)],
      ["nearest learned region, by crops", ...cells(untrained.crops)],
      ["chance", ...chance.map(three)],
    ],
  );
}

function controlTable({ controls }: Published): string {
  return markdownTable(
    ["control of the bridge", ...HEAD],
    [
      ["pictures of several regions with names of their own", ...cells(controls.apart)],
      ["the same, the localiser's vectors exchanged", ...cells(controls.shuffled)],
      ["DINOv2's tokens all zero", ...cells(controls.blind)],
      ["names' vectors exchanged while it learns (one seed)", ...cells(controls.exchanged)],
    ],
  );
}

const recallSentence = ({ recall }: Published): string =>
  `\`auto\`, by the localiser that ships with clip-tiny, finds ${three(recall.auto)} of the boxes (overlap of a half) with ${recall.perPicture.toFixed(1)} a picture; the boxes found in the next picture would find ${three(recall.nextPicture)}.`;

function costTable({ cost }: Published): string {
  const giga = (flops: number) => (flops / 1e9).toFixed(1);
  return markdownTable(
    ["regions", "GFLOP", "of crops", "times", "ms", "of crops", "times"],
    cost.map(({ regions, flops, ms }) => [
      ...[`${regions}`, giga(flops.bridge), giga(flops.crops), (flops.crops / flops.bridge).toFixed(2)],
      ...[ms.bridge.toFixed(0), ms.crops.toFixed(0), (ms.crops / ms.bridge).toFixed(2)],
    ]),
  );
}

if (process.argv[1] === import.meta.filename) writeSection(PAGE, SECTION, publishedSection());
