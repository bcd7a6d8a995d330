/**
 * Compares RegionSpot between frozen published models, DINOv2 for pictures and bge-small for names, with its rivals:
 *
 * npx tsx research/regionspot/published/main.ts TRAINING.jsonl HELD-OUT.jsonl WORK [PICTURES] [SEEDS]
 *
 * WORK stores features and networks, which are reused. Writes research/regionspot/results/published-SCENES.json. `auto`
 * is measured with NanoDet's boxes as well, which tools/detectors.ts runs.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { resolveModel } from "../../../src/index-lab.ts";
import { BridgeRunner } from "../../../src/pipelines/recognize/recognizer.ts";
import { bridgeOptions } from "../../../src/train/methods/regions/bridge.ts";
import { bridgeStagesOn } from "../../../src/train/methods/regions/bridge-stage.ts";
import type { RegionScene } from "../../../src/train/methods/regions/scenes.ts";
import { trainOptions } from "../../../src/train/options.ts";
import { TrainingRun } from "../../../src/train/session/run.ts";
import { withFile } from "../../../src/weights/read-file.ts";
import { parseHeader } from "../../../src/weights/safetensors/header.ts";
import { root } from "../../../tools/section.ts";
import { bridged, type Control, type Vectors } from "../arms.ts";
import { part } from "../splits.ts";
import { type ArmName, arms, cropVectors } from "./arms.ts";
import { costs } from "./cost.ts";
import { type Seen, seenIn } from "./features.ts";
import { recalls } from "./recall.ts";
import { type Choice, difference, mapped, type Names, nearest, rightShare } from "./score.ts";
import { nameVectors, vectorsOf } from "./texts.ts";

const READER = "bge-small";
/** The share of names of which no region is learned. */
const LEFT_OUT = 0.3;
const LOCALISER = join(root, "models/clip-tiny/recognize");
const OPTIMIZER = { lr: 1e-3, beta2: 0.999, weightDecay: 1e-4 };

const [training, heldOut, work, pictures = "20000", seedCount = "3"] = process.argv.slice(2);
if (!training || !heldOut || !work) throw new Error("expected two files and a folder");
const seeds = [...Array(Number(seedCount)).keys()];
const seen = {
  training: await seenIn(training, join(work, "training")),
  heldOut: await seenIn(heldOut, join(work, "held-out")),
};
const armNames = Object.keys(arms) as ArmName[];
const labelsIn = (scenes: readonly RegionScene[]) => scenes.flatMap(({ labels }) => labels);
const names = [...new Set([...labelsIn(seen.training.scenes), ...labelsIn(seen.heldOut.scenes)])].sort();
const novel = part(names, LEFT_OUT, 1);
const learned = names.filter((name) => !novel.includes(name));
const texts: Names = { names, values: await nameVectors(READER, names) };
const source = await resolveModel(READER);

/** Steps in which an arm sees as many pictures, scenes or crops, as the others. */
const stepsOf = (arm: ArmName) => Number(pictures) / arms[arm].batch;
const folderOf = (arm: ArmName, seed: number) => join(work, `${arm}-${seed}-${stepsOf(arm)}`);

async function train(arm: ArmName, seed: number): Promise<void> {
  const out = folderOf(arm, seed);
  if (existsSync(join(out, "bridge.json"))) return;
  const options = bridgeOptions.parse({
    ...{ data: training, localiser: LOCALISER, labels: learned, optimizer: OPTIMIZER, seed },
    ...{ steps: stepsOf(arm), batch: arms[arm].batch },
  });
  const losses: number[] = [];
  const terms = {
    options: trainOptions.parse({ data: training, optimizer: options.optimizer, schedule: options.schedule }),
    ...{ out, losses: () => losses },
  };
  const values = vectorsOf(learned, names, texts.values);
  const began = performance.now();
  for await (const stage of bridgeStagesOn(arms[arm].features(seen.training), { source, values }, options, terms)) {
    await stage.prepare();
    const run = new TrainingRun(terms.options, stage);
    while (!run.ended) losses.push((await run.step()).loss);
  }
  const { first, last } = JSON.parse(readFileSync(join(out, "bridge.json"), "utf8")).loss;
  console.error(
    `${out}: loss ${first.toFixed(2)} to ${last.toFixed(2)}, ${Math.round((performance.now() - began) / 1000)} s`,
  );
}

async function vectors(arm: ArmName, seed: number, control: Control = "none"): Promise<Vectors> {
  const features = arms[arm].features(seen.heldOut);
  using bridge = await BridgeRunner.open(folderOf(arm, seed), features.sizes.imageTokens);
  return await bridged({ bridge }, features, control);
}

/** The loss of a network's training, and its parameters. */
function describe(folder: string) {
  const { loss } = JSON.parse(readFileSync(join(folder, "bridge.json"), "utf8"));
  const tensors = [...withFile(join(folder, "bridge.safetensors"), parseHeader).values()];
  const parameters = tensors.reduce((sum, { shape }) => sum + shape.reduce((size, n) => size * n, 1), 0);
  return { loss, parameters };
}

const { scenes } = seen.heldOut;
const choices = {
  learned: { asked: learned, among: names },
  novel: { asked: novel, among: novel },
  novelAmongAll: { asked: novel, among: names },
};
const by = <T>(of: (choice: Choice) => T) =>
  Object.fromEntries(Object.entries(choices).map(([name, choice]) => [name, of(choice)]));
const shares = (of: readonly Vectors[]) => by((choice) => rightShare(scenes, of, texts, choice));

/** Vectors of learned regions, by a feature of each. */
function known(of: Float32Array, { scenes }: Seen) {
  const labels = labelsIn(scenes);
  const width = of.length / labels.length;
  const indices = [...labels.keys()].filter((i) => learned.includes(labels[i]!));
  const rows = Float32Array.from(indices.flatMap((i) => [...of.subarray(i * width, (i + 1) * width)]));
  return { vectors: rows, labels: indices.map((i) => labels[i]!) };
}

for (const seed of seeds) for (const arm of armNames) await train(arm, seed);

const trained = new Map<ArmName, Vectors[]>();
for (const arm of armNames) {
  const of: Vectors[] = [];
  for (const seed of seeds) of.push(await vectors(arm, seed));
  trained.set(arm, of);
}
const own = trained.get("bridge")!;
const rows = armNames.map((arm) => ({
  ...{ arm, ...describe(folderOf(arm, 0)), ...shares(trained.get(arm)!) },
  /** By how much more the bridge names right. */
  bridge: by((choice) => difference(scenes, own, trained.get(arm)!, texts, choice)),
}));
const features = {
  means: [known(seen.training.means, seen.training), seen.heldOut.means],
  crops: [known(cropVectors(seen.training), seen.training), cropVectors(seen.heldOut)],
} as const;
const of = (vectors: typeof nearest) =>
  Object.fromEntries(
    Object.entries(features).map(([name, [own, asked]]) => [name, shares([vectors(own, asked, texts)])]),
  );
const controlled = (control: Control) => Promise.all(seeds.map((seed) => vectors("bridge", seed, control)));
const shuffled = await controlled("shuffled tokens");
const apart = own.map((of, i) => of.map((vector, region) => (shuffled[i]![region] ? vector : undefined)));
const controls = {
  apart: shares(apart),
  shuffled: shares(shuffled),
  blind: shares(await controlled("no image")),
};
const results = {
  ...{ pictures: Number(pictures), seeds: seeds.length, names: { learned: learned.length, novel: novel.length } },
  scenes: { training: seen.training.scenes.length, heldOut: scenes.length },
  regions: { training: labelsIn(seen.training.scenes).length, heldOut: labelsIn(scenes).length },
  ...{ trained: rows, nearest: of(nearest), mapped: of(mapped), controls, recalls: await recalls(scenes) },
  cost: await costs((arm) => folderOf(arm, 0), scenes[0]!, seen.heldOut),
};
const file = `research/regionspot/results/published-${seen.training.scenes.length}.json`;
writeFileSync(join(root, file), `${JSON.stringify(results, null, 1)}\n`);
