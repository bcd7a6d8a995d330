/** Writes the tables of RegionSpot's page from its results: `npx tsx tools/regionspot-results.ts`. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type FeatureLayer, featureLayers } from "../src/models/image-text-graphs.ts";
import { mean } from "../src/util/mean.ts";
import type { Probe } from "./regionspot/probe.ts";
import type { Accuracy } from "./regionspot/score.ts";
import type { CostRow } from "./regionspot/times.ts";
import { markdownTable, root, writeSection } from "./section.ts";

export const PAGE = "docs/pipelines/regionspot.md";
export const SECTION = "regionspot-results";

interface Sets {
  readonly base: Accuracy;
  readonly novel: Accuracy;
}
interface Baselines {
  readonly split: string;
  readonly crop: Sets;
  readonly pool: Sets;
}
interface BridgeRow {
  readonly split: string;
  readonly seed: number;
  readonly layers: number;
  /** The CLIP's layer that is read: -1 the last, -2 the one before it. */
  readonly featureLayer: FeatureLayer;
  readonly steps: number;
  readonly own: Sets;
  readonly apart: Sets;
  readonly shuffled: Sets;
  readonly blind: Sets;
  readonly attention: number;
}
interface FrozenResult {
  readonly unchanged: boolean;
  readonly localiser: { readonly maskIou: number; readonly scenes: number; readonly steps: number };
  readonly probe: Probe;
  readonly heldOut: { readonly scenes: number; readonly regions: number; readonly chanceShuffled: number };
}

const read = <T>(name: string): T =>
  JSON.parse(readFileSync(join(root, "docs/results/regionspot", `${name}.json`), "utf8"));
const three = (value: number): string => value.toFixed(3);
const splitNames: Readonly<Record<string, string>> = {
  colours: "pairs of a drawing and a colour left out",
  drawings: "whole drawings and digits left out",
};

/** All tables. */
export function regionspotSection(): string {
  const rows = read<BridgeRow[]>("bridges");
  const whole = rows.filter(({ layers, steps }) => layers === 3 && steps > 1);
  const frozen = read<FrozenResult>("frozen");
  return [
    accuracyTable(read("baselines"), whole),
    controlTable(whole, frozen),
    depthSentence(rows),
    costTable(read("cost")),
  ].join("\n\n");
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
  const lines = baselines.flatMap(({ split, crop, pool }) => {
    const own = featureLayers.map((layer) =>
      rows.filter((row) => row.split === split && row.featureLayer === layer).map((row) => row.own),
    );
    return [
      [splitNames[split]!, "RegionSpot", ...cells(own[0]!)],
      ["", "RegionSpot, on the layer before the last", ...cells(own[1]!)],
      ["", "crop-and-classify", ...cells([crop])],
      ["", "mean of the box's tokens", ...cells([pool])],
    ];
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

function controlTable(rows: readonly BridgeRow[], { heldOut, probe, localiser, unchanged }: FrozenResult): string {
  const of = (pick: (row: BridgeRow) => Sets) =>
    featureLayers.flatMap((layer) => {
      const sets = rows.filter(({ split, featureLayer }) => split === "colours" && featureLayer === layer).map(pick);
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
  const head = ["control (drawings and colours)", ...columns, ...columns.map((name) => `${name}, on the layer before`)];
  const frozen = `The frozen parts' hashes are ${unchanged ? "unchanged by" : "CHANGED BY"} the training. The localiser's masks overlap with the right ones by ${three(localiser.maskIou)} (intersection over union; ${localiser.scenes} scenes, ${localiser.steps} steps). From its tokens alone, a linear map explains ${three(probe.box)} of the variance of the boxes' edges and names ${three(probe.label)} of the labels (the commonest: ${three(probe.commonest)}).`;
  return `${markdownTable(head, lines)}\n\n${frozen}`;
}

function depthSentence(rows: readonly BridgeRow[]): string {
  const own = rows.filter(({ split, seed }) => split === "colours" && seed === 0);
  const first = (layers: number, trained: boolean, layer: FeatureLayer = -1) =>
    own.find((row) => row.layers === layers && row.steps > 1 === trained && row.featureLayer === layer)!;
  const told = ({ own: { base, novel } }: BridgeRow) =>
    `${three(base.amongAll)} of learned and ${three(novel.among)} of other labels`;
  const looks = (layer: FeatureLayer) =>
    `${first(3, true, layer).attention.toFixed(1)} times as much as its area says (before training ${first(3, false, layer).attention.toFixed(1)})`;
  return `One layer in place of three (one seed): ${told(first(1, true))}, against ${told(first(3, true))}. The last layer's attention to patches lies in a region's box ${looks(-1)}; on the CLIP's layer before the last, ${looks(-2)}.`;
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
