import { copyFile } from "node:fs/promises";
import type { ImageTextModel } from "../../engine/encoders/image-text/image-text-model.ts";
import { type BridgeFile, bridgeJson, bridgeTensors } from "../../engine/images/regions/bridge-file.ts";
import { labelVectors } from "../../engine/images/regions/labels.ts";
import { localiserJson, localiserTensors } from "../../engine/images/regions/localiser-file.ts";
import { crossEntropy, type Graph, matmulTransposed, sum, sym, type Tensor, times } from "../../graph/index.ts";
import { RegionBridge } from "../../models/own-networks/region-bridge.ts";
import { UserError } from "../../util/errors.ts";
import { makeFolders } from "../../util/make-folders.ts";
import { seededRandom, shuffle } from "../../util/random.ts";
import { writeJson } from "../../util/write-whole.ts";
import { writeTensors } from "../../weights/safetensors/write.ts";
import { modelHash } from "../../weights/sources/index.ts";
import { TracedWeights } from "../graphs/traced-weights.ts";
import { rateAt } from "../step/schedule.ts";
import { fillByWidth } from "../whole/fill.ts";
import type { DataInputs } from "../whole/given-buffers.ts";
import { meanOfFirst } from "../whole/mean-loss.ts";
import { WholeTrainer } from "../whole/whole-trainer.ts";
import { type FeatureSource, featuresOf, type RegionFeatures } from "./features.ts";
import { type Focal, focalLoss } from "./focal-loss.ts";
import { hashOf } from "./hash.ts";
import type { BridgeOptions } from "./options.ts";
import { type RegionCall, tensorsOf } from "./train-localiser.ts";

/** RegionSpot's. */
const FOCAL: Focal = { alpha: 0.25, gamma: 2 };

/** A picture's regions that are learned. */
interface Lesson {
  readonly scene: number;
  /** Numbers of regions among all. */
  readonly regions: readonly number[];
  /** Their labels' numbers. */
  readonly labels: readonly number[];
}

/**
 * Trains a bridge between a localiser and an image–text model, which stay as they are, and writes `bridge.json` and
 * `bridge.safetensors` (float16). @throws UserError
 */
export async function trainBridge(
  options: BridgeOptions,
  frozen: Pick<FeatureSource, "model" | "cache">,
  call: RegionCall,
): Promise<BridgeFile> {
  const { localiser, featureLayer } = options;
  const features = await featuresOf(options.data, { ...frozen, localiser, featureLayer });
  return trainBridgeOn(features, frozen.model, options, call);
}

/** Like `trainBridge`, on features of `options.data` that were read before; their tokens may be others than the localiser's. */
export async function trainBridgeOn(
  features: RegionFeatures,
  model: ImageTextModel,
  options: BridgeOptions,
  call: RegionCall,
): Promise<BridgeFile> {
  const { localiser, featureLayer } = options;
  const lessons = lessonsOf(features, options.labels);
  const { layers, heads, ffn, scale, imageNorm } = options;
  const { hidden, token } = features.sizes;
  const sizes = { token, hidden, width: model.model.width, layers, heads, ffn };
  const weights = new TracedWeights({ kind: "huggingface", path: "bridge", config: {} }, isBias, (name) => name);
  const bridge = new RegionBridge({ ...sizes, imageNorm }, weights);
  const texts = await labelVectors(model, options.labels);
  const shape = { imageTokens: features.sizes.imageTokens, labels: options.labels.length };
  const loss = (g: Graph) => bridgeLoss(g, bridge, shape, options);
  using trainer = await WholeTrainer.create({ weights, loss }, options.optimizer);
  fillByWidth(trainer.store, layers, options.seed);
  const losses = await runSteps(features, lessons, texts.values, trainer, options, call);
  makeFolders(call.out);
  for (const file of [localiserJson, localiserTensors]) await copyFile(file(localiser), file(call.out));
  await writeTensors(bridgeTensors(call.out), tensorsOf(trainer.store, "F16"));
  const about: BridgeFile = {
    model: { name: model.source.name, sha256: await modelHash(model.source) },
    featureLayer,
    localiser: hashOf(localiserTensors(localiser)),
    ...{ sizes, imageNorm, scale, labels: options.labels, steps: options.steps, seed: options.seed },
    data: { sha256: hashOf(options.data), regions: lessons.reduce((all, { regions }) => all + regions.length, 0) },
    loss: { first: meanOfFirst(losses), last: meanOfFirst(losses.toReversed()) },
  };
  await writeJson(bridgeJson(call.out), about);
  return about;
}

const isBias = (name: string): boolean => name.endsWith(".bias");

/**
 * The loss of regions' logits, the mean over regions: the focal loss, summed over labels, or the cross-entropy of the right
 * label. Inputs: `tokens` [pictures, regions, token], `images` [pictures, image tokens, hidden], `texts` [labels, width],
 * `share` [pictures, regions]; `right` [pictures, regions, labels] or `own` [pictures, regions], the right label's number.
 */
function bridgeLoss(
  g: Graph,
  bridge: RegionBridge,
  { imageTokens, labels }: { readonly imageTokens: number; readonly labels: number },
  options: Pick<BridgeOptions, "loss" | "scale">,
): Tensor {
  const { token, hidden, width } = bridge.config;
  const [pictures, regions] = [sym("pictures"), sym("regions")];
  const tokens = g.input("tokens", "f32", [pictures, regions, token]);
  const images = g.input("images", "f32", [pictures, imageTokens, hidden]);
  const { vectors } = bridge.vectors(g, tokens, images);
  const logits = matmulTransposed(vectors, g.input("texts", "f32", [labels, width]), options.scale);
  const each = regionLosses(g, logits, options.loss);
  return sum(sum(times(each, g.input("share", "f32", [pictures, regions])), 1), 0);
}

/** A loss for each region, [pictures, regions]. */
function regionLosses(g: Graph, logits: Tensor, loss: BridgeOptions["loss"]): Tensor {
  switch (loss) {
    case "focal":
      return sum(focalLoss(logits, g.input("right", "f32", logits.shape), FOCAL), 2);
    case "softmax":
      return crossEntropy(logits, g.input("own", "i64", logits.shape.slice(0, -1)));
  }
}

/** @throws UserError if no region has one of the labels */
function lessonsOf({ scenes, first }: RegionFeatures, labels: readonly string[]): Lesson[] {
  const numbers = new Map(labels.map((label, i) => [label, i]));
  const lessons = scenes.flatMap((scene, i): Lesson[] => {
    const own = [...scene.labels.keys()].filter((at) => numbers.has(scene.labels[at]!));
    if (own.length === 0) return [];
    const regions = own.map((at) => first[i]! + at);
    return [{ scene: i, regions, labels: own.map((at) => numbers.get(scene.labels[at]!)!) }];
  });
  if (lessons.length > 0) return lessons;
  throw new UserError("labels: no region of the data has one of them");
}

async function runSteps(
  features: RegionFeatures,
  lessons: readonly Lesson[],
  texts: Float32Array,
  trainer: WholeTrainer,
  options: BridgeOptions,
  { onStep, signal }: RegionCall,
): Promise<number[]> {
  const { steps, optimizer, schedule } = options;
  const batches = batchesOf(lessons, options.batch, options.seed);
  const losses: number[] = [];
  for (let step = 0; step < steps; step++) {
    signal?.throwIfAborted();
    const batch = batches.next().value;
    const inputs = inputsOf(batch, features, texts, options);
    const sizes = { pictures: batch.length, regions: batch[0]!.regions.length };
    losses.push(await trainer.step(inputs, optimizer.lr * rateAt(schedule, step, steps), sizes));
    onStep?.(step + 1, losses.at(-1)!);
  }
  return losses;
}

/** Endless batches of pictures with equally many regions, so that none is padded; a number is as likely as its pictures are many. */
function* batchesOf(lessons: readonly Lesson[], size: number, seed: number): Generator<Lesson[], never> {
  const random = seededRandom(seed);
  const groups = new Map<number, Lesson[]>();
  for (const lesson of lessons) {
    const { length } = lesson.regions;
    groups.set(length, [...(groups.get(length) ?? []), lesson]);
  }
  const queues = new Map<number, Lesson[]>();
  for (;;) {
    const count = lessons[Math.floor(random() * lessons.length)]!.regions.length;
    const group = groups.get(count)!;
    const queue = queues.get(count) ?? [];
    if (queue.length < Math.min(size, group.length)) queue.push(...shuffle([...group], random));
    queues.set(count, queue);
    yield queue.splice(0, Math.min(size, group.length));
  }
}

function inputsOf(
  batch: readonly Lesson[],
  { images, tokens, sizes }: RegionFeatures,
  texts: Float32Array,
  { labels: { length: labels }, loss }: BridgeOptions,
): DataInputs {
  const { imageTokens, hidden, token } = sizes;
  const [pictures, regions] = [batch.length, batch[0]!.regions.length];
  const image = imageTokens * hidden;
  const seen = new Float32Array(pictures * image);
  const asked = new Float32Array(pictures * regions * token);
  const own = Int32Array.from(batch.flatMap((lesson) => lesson.labels));
  for (const [i, lesson] of batch.entries()) {
    seen.set(images.subarray(lesson.scene * image, (lesson.scene + 1) * image), i * image);
    for (const [r, region] of lesson.regions.entries())
      asked.set(tokens.subarray(region * token, (region + 1) * token), (i * regions + r) * token);
  }
  const share = new Float32Array(pictures * regions).fill(1 / (pictures * regions));
  return {
    images: { dtype: "f32", shape: [pictures, imageTokens, hidden], values: seen },
    tokens: { dtype: "f32", shape: [pictures, regions, token], values: asked },
    texts: { dtype: "f32", shape: [labels, texts.length / labels], values: texts },
    ...(loss === "softmax"
      ? { own: { dtype: "i64", shape: [pictures, regions], values: own } }
      : { right: { dtype: "f32", shape: [pictures, regions, labels], values: oneHot(own, labels) } }),
    share: { dtype: "f32", shape: [pictures, regions], values: share },
  };
}

/** A row of zeros for each number, with a one at its place. */
function oneHot(numbers: Int32Array, length: number): Float32Array {
  const rows = new Float32Array(numbers.length * length);
  for (const [row, number] of numbers.entries()) rows[row * length + number] = 1;
  return rows;
}
