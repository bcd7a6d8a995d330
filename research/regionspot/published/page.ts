/** Writes the tables of published models into RegionSpot's page: `npx tsx research/regionspot/published/page.ts`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { markdownTable, root, writeSection } from "../../../tools/section.ts";
import { type ArmName, arms } from "./arms.ts";
import type { CostRow } from "./cost.ts";
import type { Recall } from "./recall.ts";
import type { Difference, Share } from "./score.ts";

export const PAGE = "research/regionspot/README.md";
export const SECTION = "regionspot-published";
const RESULTS = "research/regionspot/results/published";

type Question = "learned" | "novel" | "novelAmongAll";
/** Shares of regions that are named right: with learned names among all, and with left-out ones among themselves and among all. */
type Shares = Readonly<Record<Question, Share>>;
type Trained = Shares & { readonly arm: ArmName; readonly loss: { readonly first: number; readonly last: number } };
/** The first run. */
interface Small {
  readonly trained: readonly Trained[];
}
interface Published {
  /** Scenes, or crops, that a network learns from, with repetitions. */
  readonly pictures: number;
  readonly seeds: number;
  readonly names: { readonly learned: number; readonly novel: number };
  readonly scenes: { readonly training: number; readonly heldOut: number };
  readonly regions: { readonly training: number; readonly heldOut: number };
  readonly trained: readonly (Trained & {
    readonly parameters: number;
    readonly bridge: Readonly<Record<Question, Difference>>;
  })[];
  readonly nearest: Readonly<Record<"means" | "crops", Shares>>;
  readonly mapped: Readonly<Record<"means" | "crops", Shares>>;
  readonly controls: Readonly<Record<"apart" | "shuffled" | "blind", Shares>>;
  readonly recalls: readonly Recall[];
  readonly cost: readonly CostRow[];
}

const three = (value: number): string => value.toFixed(3);
const cell = ({ share, ci95: [low, high] }: Pick<Share, "share" | "ci95">): string =>
  `${three(share)} [${three(low)}, ${three(high)}]`;
const cells = ({ learned, novel, novelAmongAll }: Shares): string[] => [learned, novel, novelAmongAll].map(cell);
const HEAD = ["learned, among all names", "never learned, among themselves", "never learned, among all"];

const read = <T>(scenes: number): T => JSON.parse(readFileSync(join(root, `${RESULTS}-${scenes}.json`), "utf8")) as T;

export function publishedSection(): string {
  const found = read<Published>(5000);
  const tables = [accuracyTable(found), differenceTable(found), sizeTable(found), controlTable(found)];
  return [settings(found), ...tables, recallTable(found), costTable(found)].join("\n\n");
}

function settings({ scenes, regions, names, pictures, seeds }: Published): string {
  return `${regions.training} regions of ${scenes.training} scenes to learn from, ${regions.heldOut} regions of ${scenes.heldOut} others; ${names.learned} names are learned, ${names.novel} are left out. ${seeds} seeds of each network, which learns from ${pictures} pictures, its scenes or crops, with repetitions; intervals are over scenes.`;
}

function accuracyTable({ trained, nearest, mapped, names }: Published): string {
  const chance = [1 / (names.learned + names.novel), 1 / names.novel, 1 / (names.learned + names.novel)];
  return markdownTable(
    ["arm", "parameters", ...HEAD],
    [
      ...trained.map((row) => [arms[row.arm].title, `${(row.parameters / 1e6).toFixed(2)} M`, ...cells(row)]),
      ["a linear map of the mean of the box's patches", "0.15 M", ...cells(mapped.means)],
      ["a linear map of the crop's first token", "0.15 M", ...cells(mapped.crops)],
      ["nearest learned region, by the mean of the box's patches", "none", ...cells(nearest.means)],
      ["nearest learned region, by crops", "none", ...cells(nearest.crops)],
      ["chance", "", ...chance.map(three)],
    ],
  );
}

const differenceTable = ({ trained }: Published): string =>
  markdownTable(
    ["the bridge minus", ...HEAD],
    trained
      .filter(({ arm }) => arm !== "bridge")
      .map(({ arm, bridge: { learned, novel, novelAmongAll } }) => [
        arms[arm].title,
        ...[learned, novel, novelAmongAll].map(({ mean, ci95 }) => cell({ share: mean, ci95 })),
      ]),
  );

/** The effect of ten times as many scenes. */
function sizeTable(large: Published): string {
  const small = read<Small>(500);
  const loss = ({ loss }: Trained) => loss.last.toFixed(3);
  return markdownTable(
    [
      "arm",
      "learned names, 500 scenes",
      `${large.scenes.training} scenes`,
      "last loss, 500",
      `${large.scenes.training}`,
    ],
    large.trained.map((row) => {
      const before = small.trained.find(({ arm }) => arm === row.arm)!;
      return [arms[row.arm].title, cell(before.learned), cell(row.learned), loss(before), loss(row)];
    }),
  );
}

function controlTable({ controls }: Published): string {
  return markdownTable(
    ["control of the bridge", ...HEAD],
    [
      ["pictures of several regions with names of their own", ...cells(controls.apart)],
      ["the same, the localiser's vectors exchanged", ...cells(controls.shuffled)],
      ["DINOv2's tokens all zero", ...cells(controls.blind)],
    ],
  );
}

const recallTable = ({ recalls }: Published): string =>
  markdownTable(
    ["boxes by", "boxes found (overlap of a half)", "by the next picture's", "boxes a picture"],
    recalls.map(({ by, found, nextPicture, perPicture }) => [
      ...[by, three(found), three(nextPicture), perPicture.toFixed(1)],
    ]),
  );

function costTable({ cost }: Published): string {
  const giga = (flops: number) => (flops / 1e9).toFixed(1);
  return markdownTable(
    ["regions", "GFLOP of the bridge", "a region", "of crops", "of means", "ms of the bridge", "of crops", "of means"],
    cost.map(({ regions, flops, ms }) => [
      ...[`${regions}`, giga(flops.bridge), giga(flops.bridge / regions), giga(flops.crops), giga(flops.means)],
      ...[ms.bridge, ms.crops, ms.means].map((time) => time.toFixed(0)),
    ]),
  );
}

if (process.argv[1] === import.meta.filename) writeSection(PAGE, SECTION, publishedSection());
