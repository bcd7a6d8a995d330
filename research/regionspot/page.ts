/** Writes the tables of RegionSpot's page from its results: `npx tsx research/regionspot/page.ts`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { mean } from "../../src/util/mean.ts";
import { markdownTable, root, writeSection } from "../../tools/section.ts";
import { type BridgeArmName, bridgeArms } from "./bridge-arms.ts";
import type { Probe } from "./probe.ts";
import type { Accuracy } from "./score.ts";
import type { CostRow } from "./times.ts";

export const PAGE = "research/regionspot/README.md";
export const SECTION = "regionspot-results";

interface Sets {
  readonly base: Accuracy;
  readonly novel: Accuracy;
}
interface Baselines {
  readonly split: string;
  readonly crop: Sets;
  /** Crops with a tenth of the box around it. */
  readonly wide?: Sets;
  readonly pool: Sets;
  /** The same for regions whose box overlaps another's. */
  readonly crowded?: Omit<Baselines, "split" | "crowded">;
}
interface BridgeRow {
  readonly split: string;
  readonly arm: BridgeArmName;
  readonly seed: number;
  readonly layers: number;
  readonly steps: number;
  readonly own: Sets;
  readonly apart: Sets;
  readonly shuffled: Sets;
  readonly blind: Sets;
  readonly attention: number;
  /** The same for regions whose box overlaps another's. */
  readonly crowded?: Sets;
}
interface FrozenResult {
  readonly unchanged: boolean;
  readonly localiser: { readonly maskIou: number; readonly scenes: number; readonly steps: number };
  readonly probe: Probe;
  readonly heldOut: { readonly scenes: number; readonly regions: number; readonly chanceShuffled: number };
}

interface ClipResult {
  readonly labels: { readonly pictures: number; readonly among: number; readonly accuracy: number };
  readonly captions: { readonly among: number; readonly accuracy: number; readonly shuffled: number };
}

const FOLDER = "research/regionspot/results";
const readIn =
  (folder: string) =>
  <T>(name: string): T =>
    JSON.parse(readFileSync(join(root, folder, `${name}.json`), "utf8"));
const three = (value: number): string => value.toFixed(3);
const splitNames: Readonly<Record<string, string>> = {
  colours: "pairs of a drawing and a colour left out",
  drawings: "whole drawings and digits left out",
  looks: "three of ten looks left out",
};
const trained = ({ steps }: BridgeRow): boolean => steps > 1;
const armsOf = (rows: readonly BridgeRow[]): BridgeArmName[] => [...new Set(rows.map(({ arm }) => arm))];

/** All tables: of the world of drawings, then of shapes. */
export const regionspotSection = (): string =>
  [drawingTables(), "### Tables of the world of shapes", shapeTables()].join("\n\n");

function drawingTables(): string {
  const read = readIn(FOLDER);
  const rows = read<BridgeRow[]>("bridges");
  const whole = rows.filter((row) => row.layers === 3 && trained(row));
  const frozen = read<FrozenResult>("frozen");
  return [
    accuracyTable(read("baselines"), whole),
    controlTable(whole, frozen, "colours"),
    depthSentence(rows, "colours"),
    costTable(read("cost")),
  ].join("\n\n");
}

function shapeTables(): string {
  const read = readIn(`${FOLDER}/shapes`);
  const rows = read<BridgeRow[]>("bridges");
  const whole = rows.filter((row) => row.layers === 3 && trained(row));
  const baselines = read<Baselines[]>("baselines");
  const frozen = read<FrozenResult>("frozen");
  return [
    clipSentence(read("clip"), frozen),
    accuracyTable(baselines, whole),
    crowdedTable(baselines[0]!, whole),
    controlTable(whole, frozen, "looks"),
    depthSentence(rows, "looks"),
    costTable(read("cost")),
  ].join("\n\n");
}

function clipSentence({ labels, captions }: ClipResult, { heldOut }: FrozenResult): string {
  return `The CLIP finds a held-out scene's caption among ${captions.among} in ${three(captions.accuracy)} of the cases (of shuffled captions in ${three(captions.shuffled)}), and names ${three(labels.accuracy)} of the ${labels.pictures} lone objects right among all ${labels.among} labels. The ${heldOut.scenes} held-out scenes have ${heldOut.regions} regions.`;
}

/** The mean over seeds, and the range. */
function spread(values: readonly number[]): string {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  return values.length === 1 ? three(low) : `${three(mean(values))} (${three(low)}–${three(high)})`;
}

function accuracyTable(baselines: readonly Baselines[], rows: readonly BridgeRow[]): string {
  const cells = (sets: readonly Sets[]) => [
    spread(sets.map(({ base }) => base.amongAll)),
    spread(sets.map(({ novel }) => novel.among)),
    spread(sets.map(({ novel }) => novel.amongAll)),
  ];
  const lines = baselines.flatMap((baseline) => {
    const { split } = baseline;
    const of = (arm: BridgeArmName) => rows.filter((row) => row.split === split && row.arm === arm);
    const arms: readonly (readonly [string, readonly Sets[]])[] = [
      ...armsOf(rows).map((arm) => [bridgeArms[arm].title, of(arm).map((row) => row.own)] as const),
      ...withoutBridge(baseline),
    ];
    return arms.map(([title, sets], i) => [i === 0 ? splitNames[split]! : "", title, ...cells(sets)]);
  });
  const head = [
    "labels",
    "arm",
    "learned, among all labels",
    "never learned, among themselves",
    "never learned, among all",
  ];
  const regions = baselines.map(
    ({ split, crop }) => `${splitNames[split]}: ${crop.base.regions} and ${crop.novel.regions}`,
  );
  return `${markdownTable(head, lines)}\n\nRegions of learned labels and of others, ${regions.join("; ")}.`;
}

/** The arms that have no bridge. */
const withoutBridge = ({
  crop,
  wide,
  pool,
}: Omit<Baselines, "split">): readonly (readonly [string, readonly Sets[]])[] => [
  ["crop-and-classify", [crop]],
  ...(wide ? [["crop-and-classify, a tenth more on each side", [wide]] as const] : []),
  ["mean of the box's tokens", [pool]],
];

/** The same arms, on regions whose box overlaps another's. */
function crowdedTable({ crowded }: Baselines, rows: readonly BridgeRow[]): string {
  const cells = (sets: readonly Sets[]) => [
    spread(sets.map(({ base }) => base.amongAll)),
    spread(sets.map(({ novel }) => novel.among)),
  ];
  const lines = [
    ...armsOf(rows).map((arm) => [
      bridgeArms[arm].title,
      ...cells(rows.filter((row) => row.arm === arm).map((row) => row.crowded!)),
    ]),
    ...withoutBridge(crowded!).map(([title, sets]) => [title, ...cells(sets)]),
  ];
  const { base, novel } = crowded!.crop;
  const head = [
    `boxes that overlap another by a tenth (${base.regions} and ${novel.regions} regions)`,
    ...["learned, among all labels", "never learned, among themselves"],
  ];
  return markdownTable(head, lines);
}

function controlTable(
  rows: readonly BridgeRow[],
  { heldOut, probe, localiser, unchanged }: FrozenResult,
  first: keyof typeof controlNames,
): string {
  const arms = (["own", "paper"] as const).filter((arm) => armsOf(rows).includes(arm));
  const of = (pick: (row: BridgeRow) => Sets) =>
    arms.flatMap((arm) => {
      const sets = rows.filter((row) => row.split === first && row.arm === arm).map(pick);
      return [spread(sets.map(({ base }) => base.amongAll)), spread(sets.map(({ novel }) => novel.among))];
    });
  const lines = [
    ["pictures of several regions with labels of their own", ...of(({ apart }) => apart)],
    [
      `the same, tokens exchanged at random (1 of n: ${three(heldOut.chanceShuffled)})`,
      ...of(({ shuffled }) => shuffled),
    ],
    ["the CLIP's tokens all zero", ...of(({ blind }) => blind)],
  ];
  const columns = ["learned, among all", "never learned, among themselves"];
  const head = [
    controlNames[first],
    ...arms.flatMap((arm) => columns.map((name) => (arm === arms[0] ? name : `${name}, as in the paper`))),
  ];
  const frozen = `The frozen parts' hashes are ${unchanged ? "unchanged by" : "CHANGED BY"} the training. The localiser's masks overlap with the right ones by ${three(localiser.maskIou)} (intersection over union; ${localiser.scenes} scenes, ${localiser.steps} steps). From its tokens alone, a linear map explains ${three(probe.box)} of the variance of the boxes' edges and names ${three(probe.label)} of the labels (the commonest: ${three(probe.commonest)}).`;
  return `${markdownTable(head, lines)}\n\n${frozen}`;
}

const controlNames = { colours: "control (drawings and colours)", looks: "control" } as const;

function depthSentence(rows: readonly BridgeRow[], first: string): string {
  const own = rows.filter(({ split, seed }) => split === first && seed === 0);
  const [main, ...others] = armsOf(own);
  const one = (layers: number, learned: boolean, arm = main) =>
    own.find((row) => row.layers === layers && trained(row) === learned && row.arm === arm)!;
  const told = ({ own: { base, novel } }: BridgeRow) =>
    `${three(base.amongAll)} of learned and ${three(novel.among)} of other labels`;
  const looks = (row: BridgeRow) => `${row.attention.toFixed(1)} times the box's share of the area`;
  return `One layer instead of three (one seed): ${told(one(1, true))}, against ${told(one(3, true))}. The last layer's attention to patches in a region's box is ${looks(one(3, true))}; before training, ${looks(one(3, false))}${others.includes("paper") ? `; as in the paper, ${looks(one(3, true, "paper"))}` : ""}.`;
}

function costTable(rows: readonly CostRow[]): string {
  const mega = (flops: number) => (flops / 1e6).toFixed(0);
  const lines = rows.map(({ regions, flops, ms }) => [
    ...[`${regions}`, mega(flops.module), mega(flops.crops), (flops.crops / flops.module).toFixed(2)],
    ...[ms.module.toFixed(1), ms.crops.toFixed(1), (ms.crops / ms.module).toFixed(2)],
  ]);
  const head = ["regions", "MFLOP", "of crops", "times", "ms", "of crops", "times"];
  return `${markdownTable(head, lines)}\n\nOne picture, labels read before; crops are cut before, and each runs through the CLIP's tower by itself. Times are medians of seven on one thread of a shared machine.`;
}

if (process.argv[1] === import.meta.filename) writeSection(PAGE, SECTION, regionspotSection());
