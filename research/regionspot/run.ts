import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ImageTextModel } from "../../src/engine/encoders/image-text/image-text-model.ts";
import { labelVectors } from "../../src/engine/images/regions/labels.ts";
import { type FeatureLayer, featureLayers } from "../../src/models/images/image-text-graphs.ts";
import { Recognizer } from "../../src/pipelines/recognize/recognizer.ts";
import { bridgeOptions } from "../../src/train/methods/regions/bridge.ts";
import { bridgeStagesOn } from "../../src/train/methods/regions/bridge-stage.ts";
import { featuresOf, type RegionFeatures } from "../../src/train/methods/regions/features.ts";
import { trainOptions } from "../../src/train/options.ts";
import { TrainingRun } from "../../src/train/session/run.ts";
import { sha256Of } from "../../src/util/hash.ts";
import { modelHash, resolveModel } from "../../src/weights/sources/index.ts";
import { boxesAsTokens, bridged, cropped, crowdedIn, pooled, type Vectors } from "./arms.ts";
import { attentionInBox } from "./attention.ts";
import { type BridgeArmName, bridgeArms } from "./bridge-arms.ts";
import { Frozen } from "./frozen.ts";
import { probe } from "./probe.ts";
import { accuracyOf } from "./score.ts";
import type { LabelSplit } from "./splits.ts";
import { costs } from "./times.ts";
import type { GateWorld } from "./worlds.ts";

/** Folders and files of a run of the gates. */
export interface Places {
  /** The world that all scenes show. */
  readonly world: GateWorld;
  /** The image–text model's folder. */
  readonly model: string;
  /** The localiser's folder. */
  readonly localiser: string;
  /** Scenes that bridges learn from, and held-out ones. */
  readonly training: string;
  readonly heldOut: string;
  /** The folder for bridges and the features of the frozen parts. */
  readonly work: string;
  /** For results. */
  readonly out: string;
  /** Optimiser steps of each bridge. */
  readonly steps: number;
}

export const SEEDS = [0, 1, 2];

/** Crop-and-classify's second form cuts out this much around a box, as a share of its sides: the best of 0, 0.1, 0.25 and 0.5 on other scenes. */
const MARGIN = 0.1;

/** Trains all bridges and measures them, and what they are compared with. Existing results are reused. */
export async function runGates(places: Places): Promise<void> {
  mkdirSync(places.out, { recursive: true });
  const { labels, side, splits } = places.world;
  const model = await ImageTextModel.load(await resolveModel(places.model));
  const source = { model, localiser: places.localiser, cache: join(places.work, "features") };
  const before = await hashes(places, model);
  const read = (file: string, featureLayer: FeatureLayer) => featuresOf(file, { ...source, featureLayer });
  const training = await read(places.training, -1);
  const seen = new Map<FeatureLayer, RegionFeatures>();
  for (const layer of featureLayers) seen.set(layer, await read(places.heldOut, layer));
  const heldOut = seen.get(-1)!;
  const runs = runsOf(places);
  for (const run of runs) await train(places, model, run);
  const texts = { labels, values: (await labelVectors(model, labels)).values };
  const score = (vectors: Vectors, set: readonly string[]) => accuracyOf(vectors, labelsIn(heldOut), texts, set);
  const crowded = crowdedIn(heldOut.scenes);
  const amongOthers = (vectors: Vectors): Vectors => vectors.map((vector, i) => (crowded[i] ? vector : undefined));
  await keep(places, "baselines", async () => {
    const [crops, wide] = [
      await cropped(model, heldOut.scenes, side, 0),
      await cropped(model, heldOut.scenes, side, MARGIN),
    ];
    const means = pooled(heldOut, new Frozen(places.model), side);
    return splits.map((split) => {
      const both = (vectors: Vectors) => bothSets(split, (set) => score(vectors, set));
      return {
        ...{ split: split.name, crop: both(crops), wide: both(wide), pool: both(means) },
        crowded: { crop: both(amongOthers(crops)), wide: both(amongOthers(wide)), pool: both(amongOthers(means)) },
      };
    });
  });
  await keep(places, "bridges", async () => {
    const rows = [];
    for (const run of runs) {
      using recognizer = await Recognizer.open(model, folderOf(places, run));
      const features = tokensFor(run, seen.get(bridgeArms[run.arm].featureLayer)!, side);
      const arm = async (control: Parameters<typeof bridged>[2]) => bridged(recognizer, features, control);
      const [own, shuffled, blind] = [await arm("none"), await arm("shuffled tokens"), await arm("no image")];
      const both = (vectors: Vectors) => bothSets(run.split, (set) => score(vectors, set));
      const apart = own.map((vector, i) => (shuffled[i] ? vector : undefined));
      const attention = await attentionInBox(recognizer, features, side);
      const results = { own: both(own), apart: both(apart), shuffled: both(shuffled), blind: both(blind), attention };
      const { split, ...settings } = run;
      rows.push({ split: split.name, ...settings, ...results, crowded: both(amongOthers(own)) });
    }
    return rows;
  });
  await keep(places, "frozen", async () => {
    const after = await hashes(places, model);
    const { maskIou, data, steps } = JSON.parse(readFileSync(join(places.localiser, "localiser.json"), "utf8"));
    const { regions, perPicture } = sharesOf(heldOut);
    return {
      ...{ unchanged: JSON.stringify(before) === JSON.stringify(after), hashes: after },
      localiser: { maskIou, scenes: data.scenes, steps },
      probe: probe(training, heldOut, labels),
      heldOut: { scenes: heldOut.scenes.length, regions, chanceShuffled: perPicture },
    };
  });
  await keep(places, "cost", async () => {
    using recognizer = await Recognizer.open(model, folderOf(places, runs[0]!));
    return await costs(recognizer, heldOut.scenes[0]!.image, labels.slice(0, 50), side);
  });
  model[Symbol.dispose]();
}

interface Run {
  readonly split: LabelSplit;
  readonly arm: BridgeArmName;
  readonly seed: number;
  readonly layers: number;
  readonly steps: number;
}

/** All bridges: three seeds of each split and arm; one of one layer, and one that has hardly learned. */
function runsOf({ world: { splits, arms }, steps }: Places): readonly Run[] {
  const usual = { split: splits[0], arm: "own", seed: 0, layers: 3, steps } as const;
  const seeds = (split: LabelSplit, arm: BridgeArmName) => SEEDS.map((seed): Run => ({ ...usual, split, arm, seed }));
  return [
    ...arms.flatMap((arm) => splits.flatMap((split) => seeds(split, arm))),
    { ...usual, layers: 1 },
    { ...usual, steps: 1 },
  ];
}

const folderOf = ({ work }: Places, { split, arm, seed, layers, steps }: Run): string =>
  join(work, `${split.name}-${arm}-${seed}-${layers}-${steps}`);

const tokensFor = ({ arm }: Run, features: RegionFeatures, side: number): RegionFeatures =>
  bridgeArms[arm].tokens === "boxes" ? boxesAsTokens(features, side) : features;

async function train(places: Places, model: ImageTextModel, run: Run): Promise<void> {
  const out = folderOf(places, run);
  if (existsSync(join(out, "bridge.json"))) return;
  const { training: data, localiser, work, world } = places;
  const { layers, steps, seed, split } = run;
  const { loss, imageNorm, featureLayer } = bridgeArms[run.arm];
  const options = bridgeOptions.parse({
    ...{ data, localiser, labels: split.base, optimizer: OPTIMIZER },
    ...{ layers, loss, imageNorm, featureLayer, steps, seed },
  });
  const features = await featuresOf(data, { model, localiser, featureLayer, cache: join(work, "features") });
  const began = performance.now();
  const losses: number[] = [];
  const terms = {
    options: trainOptions.parse({ data, optimizer: options.optimizer, schedule: options.schedule }),
    out,
    losses: () => losses,
  };
  const texts = { source: model.source, values: (await labelVectors(model, split.base)).values };
  for await (const stage of bridgeStagesOn(tokensFor(run, features, world.side), texts, options, terms)) {
    await stage.prepare();
    const training = new TrainingRun(terms.options, stage);
    while (!training.ended) losses.push((await training.step()).loss);
  }
  const seconds = ((performance.now() - began) / 1000).toFixed(0);
  const { first, last } = JSON.parse(readFileSync(join(out, "bridge.json"), "utf8")).loss;
  console.error(`${out}: loss ${first.toFixed(3)} to ${last.toFixed(3)} in ${seconds} s`);
}

const OPTIMIZER = { lr: 1e-3, beta2: 0.999, weightDecay: 1e-4 } as const;

const labelsIn = ({ scenes }: RegionFeatures): string[] => scenes.flatMap(({ labels }) => labels);

const bothSets = <T>({ base, novel }: LabelSplit, of: (set: readonly string[]) => T) => ({
  base: of(base),
  novel: of(novel),
});

/** Regions, and the chance that a random exchange of tokens leaves a region its own, in the pictures of the control. */
function sharesOf({ scenes }: RegionFeatures) {
  const apart = scenes.filter(({ labels }) => labels.length > 1 && new Set(labels).size === labels.length);
  const regions = apart.reduce((sum, { boxes }) => sum + boxes.length, 0);
  return { regions: scenes.reduce((sum, { boxes }) => sum + boxes.length, 0), perPicture: apart.length / regions };
}

async function hashes({ localiser }: Places, model: ImageTextModel) {
  return {
    model: await modelHash(model.source),
    localiser: sha256Of(readFileSync(join(localiser, "localiser.safetensors"))),
  };
}

/** Writes a result, unless it is there. */
async function keep(places: Places, name: string, measure: () => Promise<unknown>): Promise<void> {
  const file = join(places.out, `${name}.json`);
  if (existsSync(file)) return;
  writeFileSync(file, `${JSON.stringify(await measure(), null, 2)}\n`);
  console.error(`${file} is written`);
}
