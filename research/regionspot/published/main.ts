/**
 * RegionSpot between published models that stay as they are, DINOv2 for pictures and bge-small for names, and its rivals:
 *
 *     npx tsx research/regionspot/published/main.ts TRAINING.jsonl HELD-OUT.jsonl WORK [STEPS] [SEEDS]
 *
 * Features and networks are kept in WORK, and what is there is not made again. Writes research/regionspot/results/published.json.
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
import { root } from "../../../tools/section.ts";
import { bridged, type Control, type Vectors } from "../arms.ts";
import { part } from "../splits.ts";
import { type ArmName, arms, cropVectors } from "./arms.ts";
import { costs } from "./cost.ts";
import { type Seen, seenIn } from "./features.ts";
import { recallOf } from "./recall.ts";
import { type Names, nearest, rightShare } from "./score.ts";
import { exchanged, nameVectors, vectorsOf } from "./texts.ts";

const READER = "bge-small";
/** The share of names of which no region is learned. */
const LEFT_OUT = 0.3;
const LOCALISER = join(root, "models/clip-tiny/recognize");
const OPTIMIZER = { lr: 1e-3, beta2: 0.999, weightDecay: 1e-4 };

const [training, heldOut, work, steps = "250", seedCount = "3"] = process.argv.slice(2);
if (!training || !heldOut || !work) throw new Error("expected two files and a folder");
const seeds = [...Array(Number(seedCount)).keys()];
const seen = {
  training: await seenIn(training, join(work, "training")),
  heldOut: await seenIn(heldOut, join(work, "held-out")),
};
const labelsIn = (scenes: readonly RegionScene[]) => scenes.flatMap(({ labels }) => labels);
const names = [...new Set([...labelsIn(seen.training.scenes), ...labelsIn(seen.heldOut.scenes)])].sort();
const novel = part(names, LEFT_OUT, 1);
const learned = names.filter((name) => !novel.includes(name));
const texts: Names = { names, values: await nameVectors(READER, names) };
const source = await resolveModel(READER);

const folderOf = (arm: ArmName, seed: number, mixed: boolean) =>
  join(work, `${arm}-${seed}-${steps}${mixed ? "-exchanged" : ""}`);

/** Trains an arm's network; with `mixed`, each name is learned by another one's vector. */
async function train(arm: ArmName, seed: number, mixed = false): Promise<void> {
  const out = folderOf(arm, seed, mixed);
  if (existsSync(join(out, "bridge.json"))) return;
  const options = bridgeOptions.parse({
    ...{ data: training, localiser: LOCALISER, labels: learned, optimizer: OPTIMIZER, seed },
    ...{ steps: Number(steps), batch: arms[arm].batch },
  });
  const losses: number[] = [];
  const terms = {
    options: trainOptions.parse({ data: training, optimizer: options.optimizer, schedule: options.schedule }),
    ...{ out, losses: () => losses },
  };
  const values = vectorsOf(mixed ? exchanged(learned, seed) : learned, names, texts.values);
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

async function vectors(arm: ArmName, seed: number, control: Control = "none", mixed = false): Promise<Vectors> {
  const features = arms[arm].features(seen.heldOut);
  using bridge = await BridgeRunner.open(folderOf(arm, seed, mixed), features.sizes.imageTokens);
  return await bridged({ bridge }, features, control);
}

const { scenes } = seen.heldOut;
const shares = (of: readonly Vectors[]) => ({
  learned: rightShare(scenes, of, texts, { asked: learned, among: names }),
  novel: rightShare(scenes, of, texts, { asked: novel, among: novel }),
  novelAmongAll: rightShare(scenes, of, texts, { asked: novel, among: names }),
});

/** Vectors of learned regions, by a feature of each. */
function known(of: Float32Array, { scenes }: Seen) {
  const labels = labelsIn(scenes);
  const width = of.length / labels.length;
  const indices = [...labels.keys()].filter((i) => learned.includes(labels[i]!));
  const rows = Float32Array.from(indices.flatMap((i) => [...of.subarray(i * width, (i + 1) * width)]));
  return { vectors: rows, labels: indices.map((i) => labels[i]!) };
}

for (const seed of seeds) for (const arm of Object.keys(arms) as ArmName[]) await train(arm, seed);
await train("bridge", 0, true);

const trained = await Promise.all(
  (Object.keys(arms) as ArmName[]).map(async (arm) => {
    const of: Vectors[] = [];
    for (const seed of seeds) of.push(await vectors(arm, seed));
    const metadata = JSON.parse(readFileSync(join(folderOf(arm, 0, false), "bridge.json"), "utf8"));
    return { arm, loss: metadata.loss, ...shares(of) };
  }),
);
const untrained = {
  means: shares([nearest(known(seen.training.means, seen.training), seen.heldOut.means, texts)]),
  crops: shares([nearest(known(cropVectors(seen.training), seen.training), cropVectors(seen.heldOut), texts)]),
};
const controlled = async (control: Control) => {
  const of: Vectors[] = [];
  for (const seed of seeds) of.push(await vectors("bridge", seed, control));
  return of;
};
const shuffled = await controlled("shuffled tokens");
const own = await controlled("none");
const apart = own.map((of, i) => of.map((vector, region) => (shuffled[i]![region] ? vector : undefined)));
const controls = {
  apart: shares(apart),
  shuffled: shares(shuffled),
  blind: shares(await controlled("no image")),
  exchanged: shares([await vectors("bridge", 0, "none", true)]),
};
const results = {
  ...{ steps: Number(steps), seeds: seeds.length, names: { learned: learned.length, novel: novel.length } },
  scenes: { training: seen.training.scenes.length, heldOut: scenes.length },
  regions: { training: labelsIn(seen.training.scenes).length, heldOut: labelsIn(scenes).length },
  ...{ trained, untrained, controls, recall: await recallOf(scenes) },
  cost: await costs(folderOf("bridge", 0, false), folderOf("crops", 0, false), scenes[0]!, seen.heldOut),
};
writeFileSync(join(root, "research/regionspot/results/published.json"), `${JSON.stringify(results, null, 1)}\n`);
