import { readFileSync } from "node:fs";
import { copyFile } from "node:fs/promises";
import path from "node:path";
import { ImageTextModel } from "../../../engine/encoders/image-text/image-text-model.ts";
import { type BridgeFile, bridgeJson, bridgeTensors } from "../../../engine/images/regions/bridge-file.ts";
import { labelVectors } from "../../../engine/images/regions/labels.ts";
import { localiserJson, localiserTensors } from "../../../engine/images/regions/localiser-file.ts";
import { crossEntropy, type Graph, matmulTransposed, sum, sym, type Tensor, times } from "../../../graph/index.ts";
import { RegionBridge } from "../../../models/own-networks/region-bridge.ts";
import { isOfKind } from "../../../models/registry.ts";
import { UserError } from "../../../util/errors.ts";
import { sha256Of } from "../../../util/hash.ts";
import { makeFolders } from "../../../util/make-folders.ts";
import { seededRandom, shuffle } from "../../../util/random.ts";
import { writeJson } from "../../../util/write-whole.ts";
import { writeTensors } from "../../../weights/safetensors/write.ts";
import { home, modelHash, type ResolvedModel } from "../../../weights/sources/index.ts";
import { TracedWeights } from "../../graphs/traced-weights.ts";
import type { GradientOptions } from "../../session/gradient-stage.ts";
import { meanLosses } from "../../session/metrics.ts";
import type { OpenTerms } from "../../session/stage.ts";
import { sourceOf } from "../../subject/subject.ts";
import { fillByWidth } from "../../whole/fill.ts";
import type { DataInputs } from "../../whole/given-buffers.ts";
import { type WholeBatch, WholeStage } from "../../whole/whole-stage.ts";
import type { BridgeOptions } from "./bridge.ts";
import { featuresOf, type RegionFeatures } from "./features.ts";
import { type Focal, focalLoss } from "./focal-loss.ts";
import { tensorsOf } from "./localiser-stage.ts";

/** RegionSpot's default. */
const FOCAL: Focal = { alpha: 0.25, gamma: 2 };

/** A picture's regions whose labels are trained. */
interface Lesson {
  readonly scene: number;
  /** The regions' indices among all scenes' regions. */
  readonly regions: readonly number[];
  /** The regions' label indices. */
  readonly labels: readonly number[];
}

/** Trains a bridge between a localiser and an image–text model, both frozen. @throws UserError */
export async function* bridgeStages(
  name: string,
  options: BridgeOptions,
  run: OpenTerms,
): AsyncGenerator<WholeStage, void> {
  const base = await run.openBase(name);
  if (!isOfKind("encoder of images and texts", base.checkpoint))
    throw new UserError(`${name} does not compare images with texts; expected a CLIP, such as clip-tiny`);
  using model = await ImageTextModel.load(sourceOf(base));
  const { localiser, featureLayer } = options;
  const cache = path.join(home(), "features");
  const features = await featuresOf(options.data, { model, localiser, featureLayer, cache });
  const { values } = await labelVectors(model, options.labels);
  yield* bridgeStagesOn(features, { source: model.source, values }, options, run);
}

/** The vectors of labels [labels, width], and the model that computed them. */
export interface LabelSpace {
  readonly source: ResolvedModel;
  readonly values: Float32Array;
}

/**
 * Like `bridgeStages`, but with precomputed features of `options.data`, whose tokens may come from another localiser,
 * and with label vectors from any model. Writes `bridge.json` and `bridge.safetensors` (float16).
 */
export async function* bridgeStagesOn(
  features: RegionFeatures,
  texts: LabelSpace,
  options: BridgeOptions,
  { options: run, out, losses }: Pick<OpenTerms, "out" | "losses"> & { readonly options: GradientOptions },
): AsyncGenerator<WholeStage, void> {
  const { localiser, featureLayer } = options;
  const lessons = lessonsOf(features, options.labels);
  const { layers, heads, ffn, scale, imageNorm } = options;
  const { hidden, token } = features.sizes;
  const width = texts.values.length / options.labels.length;
  const sizes = { token, hidden, width, layers, heads, ffn };
  const weights = new TracedWeights({ kind: "huggingface", path: "bridge", config: {} }, isBias, (name) => name);
  const bridge = new RegionBridge({ ...sizes, imageNorm }, weights);
  const shape = { imageTokens: features.sizes.imageTokens, labels: options.labels.length };
  const loss = (g: Graph) => bridgeLoss(g, bridge, shape, options);
  const hash = sha256Of(readFileSync(options.data));
  using stage = await WholeStage.open({ weights, loss }, run, {
    ...{ hash, steps: options.steps },
    batches: (from) => batchesFrom(features, lessons, texts.values, options, from),
  });
  fillByWidth(stage.store, layers, options.seed);
  yield stage;
  makeFolders(out);
  for (const file of [localiserJson, localiserTensors]) await copyFile(file(localiser), file(out));
  await writeTensors(bridgeTensors(out), tensorsOf(stage.store, "F16"));
  const metadata: BridgeFile = {
    model: { name: texts.source.name, sha256: await modelHash(texts.source) },
    featureLayer,
    localiser: sha256Of(readFileSync(localiserTensors(localiser))),
    ...{ sizes, imageNorm, scale, labels: options.labels, steps: options.steps, seed: options.seed },
    data: { sha256: hash, regions: lessons.reduce((all, { regions }) => all + regions.length, 0) },
    loss: meanLosses(losses()),
  };
  await writeJson(bridgeJson(out), metadata);
}

const isBias = (name: string): boolean => name.endsWith(".bias");

/**
 * Traces the mean loss over regions: the focal loss summed over labels, or the cross-entropy of the correct label.
 * Inputs: `tokens` [pictures, regions, token], `images` [pictures, image tokens, hidden], `texts` [labels, width],
 * `share` [pictures, regions]; `right` [pictures, regions, labels] or `own` [pictures, regions], the correct label's
 * index.
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

/** The loss of each region, [pictures, regions]. */
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
  throw new UserError("labels: no region in the data has any of these labels");
}

/** The batches of the steps from `from` on. */
async function* batchesFrom(
  features: RegionFeatures,
  lessons: readonly Lesson[],
  texts: Float32Array,
  options: BridgeOptions,
  from: number,
): AsyncGenerator<WholeBatch, never> {
  const batches = batchesOf(lessons, options.batch, options.seed);
  for (let step = 0; step < from; step++) batches.next();
  for (;;) {
    const batch = batches.next().value;
    const sizes = { pictures: batch.length, regions: batch[0]!.regions.length };
    const inputs = inputsOf(batch, features, texts, options);
    yield { inputs, sizes, tokens: sizes.pictures * sizes.regions, samples: sizes.pictures };
  }
}

/**
 * Endless batches, each of pictures with the same number of regions, so that none need padding. Each number is drawn as
 * often as it occurs in the data.
 */
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
  const regionTokens = new Float32Array(pictures * regions * token);
  const own = Int32Array.from(batch.flatMap((lesson) => lesson.labels));
  for (const [i, lesson] of batch.entries()) {
    seen.set(images.subarray(lesson.scene * image, (lesson.scene + 1) * image), i * image);
    for (const [r, region] of lesson.regions.entries())
      regionTokens.set(tokens.subarray(region * token, (region + 1) * token), (i * regions + r) * token);
  }
  const share = new Float32Array(pictures * regions).fill(1 / (pictures * regions));
  return {
    images: { dtype: "f32", shape: [pictures, imageTokens, hidden], values: seen },
    tokens: { dtype: "f32", shape: [pictures, regions, token], values: regionTokens },
    texts: { dtype: "f32", shape: [labels, texts.length / labels], values: texts },
    ...(loss === "softmax"
      ? { own: { dtype: "i64", shape: [pictures, regions], values: own } }
      : { right: { dtype: "f32", shape: [pictures, regions, labels], values: oneHot(own, labels) } }),
    share: { dtype: "f32", shape: [pictures, regions], values: share },
  };
}

/** One-hot rows of the given indices. */
function oneHot(numbers: Int32Array, length: number): Float32Array {
  const rows = new Float32Array(numbers.length * length);
  for (const [row, number] of numbers.entries()) rows[row * length + number] = 1;
  return rows;
}
