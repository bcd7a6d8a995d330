import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import sharp from "sharp";
import { afterAll, beforeAll, expect, test, vi } from "vitest";
import { ImageTextModel } from "../../engine/encoders/image-text/image-text-model.ts";
import { bridgeJson } from "../../engine/images/regions/bridge-file.ts";
import { sceneOptions } from "../../lab/data/scenes/options.ts";
import { plainPictures } from "../../lab/data/scenes/scenes.testing.ts";
import { writeScenesOf } from "../../lab/data/scenes/write.ts";
import { trainImageText, trainRegionBridge, trainRegionLocaliser } from "../../library/train-regions.ts";
import { featuresOf } from "../../train/methods/regions/features.ts";
import { readScenes } from "../../train/methods/regions/scenes.ts";
import { modelHash, resolveModel } from "../../weights/sources/index.ts";
import { annotate } from "./annotate.ts";
import { recognize } from "./recognize.ts";
import { Recognizer } from "./recognizer.ts";

const folder = mkdtempSync(path.join(tmpdir(), "modicum-recognize-"));
const at = (name: string) => path.join(folder, name);
const data = at("scenes/scenes.jsonl");
const labels = ["cat", "dog", "horse"];
let model: ImageTextModel;
let recognizer: Recognizer;
const losses = { pairs: { first: 0, last: 0 }, bridge: { first: 0, last: 0 } };

const layers = { hidden_size: 16, intermediate_size: 32, num_hidden_layers: 1, num_attention_heads: 2 };
const architecture = {
  ...{ projection_dim: 16, text_config: { ...layers, max_position_embeddings: 24, hidden_act: "gelu" } },
  vision_config: { ...layers, image_size: 32, patch_size: 8, hidden_act: "gelu" },
};
const sizes = { imageSize: 32, patchSize: 8, hidden: 16, imageLayers: 1, layers: 1, heads: 2, cells: 2, maskWidth: 8 };
const bridge = { data, localiser: at("localiser"), labels, layers: 1, heads: 2, ffn: 32, batch: 8 };

beforeAll(async () => {
  const options = sceneOptions.parse({ size: 32, layout: "free", drawings: 3, most: 2, digits: 0, clutter: 0 });
  await writeScenesOf(plainPictures(options.drawings), at("scenes"), { split: "train", count: 24, seed: 0 }, options);
  const pairs = { data, architecture, steps: 30, batch: 6, optimizer: { lr: 3e-3 } };
  losses.pairs = (await trainImageText(pairs, { out: at("clip") })).loss;
  const localiser = { data, heldOut: data, sizes, steps: 20, batch: 4, regions: 4 };
  await trainRegionLocaliser(localiser, { out: at("localiser") });
  model = await ImageTextModel.load(await resolveModel(at("clip")));
  const hash = await modelHash(model.source);
  vi.stubEnv("MODICUM_HOME", at("cache"));
  const options2 = { ...bridge, model: at("clip"), steps: 40, optimizer: { lr: 3e-3 } };
  losses.bridge = (await trainRegionBridge(options2, { out: at("regions") })).loss;
  vi.unstubAllEnvs();
  expect(await modelHash(model.source)).toBe(hash);
  recognizer = await Recognizer.open(model, at("regions"));
}, 60_000);
afterAll(() => {
  recognizer[Symbol.dispose]();
  model[Symbol.dispose]();
  rmSync(folder, { recursive: true });
});

/** A picture of two objects. */
const scene = () => readScenes(data).find(({ boxes }) => boxes.length === 2)!;

test("a bridge is trained by its model's name, and caches the features", async () => {
  vi.stubEnv("MODICUM_HOME", at("home"));
  const options = { model: at("clip"), ...bridge, featureLayer: -2, imageNorm: false, loss: "focal", steps: 2 };
  const { loss } = await trainRegionBridge(options, { out: at("by-name") });
  vi.unstubAllEnvs();
  expect(loss.last).toBeGreaterThan(0);
  expect(readdirSync(at("home/features"))).toHaveLength(1);
});

test("both trainings learn", () => {
  expect(losses.pairs.last).toBeLessThan(losses.pairs.first);
  expect(losses.bridge.last).toBeLessThan(losses.bridge.first);
});

test("regions have labels and scores, and the picture's tower runs once for all", async () => {
  const { image, boxes } = scene();
  const { regions, receipt, ...size } = await recognize(recognizer, { image: { image }, boxes, labels });
  expect(size).toEqual({ width: 32, height: 32 });
  expect(regions.map(({ box }) => box)).toEqual(boxes);
  for (const { label, score, scores } of regions) {
    expect(Object.keys(scores)).toEqual(labels);
    expect(Object.values(scores).reduce((a, b) => a + b)).toBeCloseTo(1, 5);
    expect(score).toBe(Math.max(...Object.values(scores)));
    expect(scores[label]).toBe(score);
  }
  const { imageCost } = model;
  const tower = (await model.imageTokens({ width: 8, height: 8, data: new Uint8Array(192) }, -1)).cost.flops;
  const texts = receipt.flops.dense - 2 * imageCost.flops;
  expect(receipt.flops.spent).toBe(texts + tower + receipt.flops.overhead);
  expect(receipt.work).toEqual({
    imageTokens: { dense: 2 * 17, run: 17 },
    regions: { dense: 2, run: 2 },
    calls: { [model.source.name]: { dense: 2, run: 1 } },
  });
});

test("results follow the order of regions, and other labels change no vector", async () => {
  const { image, boxes } = scene();
  const ask = (own: typeof boxes, of = labels) => recognize(recognizer, { image: { image }, boxes: own, labels: of });
  const [there, back] = [await ask(boxes), await ask(boxes.toReversed())];
  for (const [i, { scores }] of there.regions.entries())
    for (const label of labels) expect(back.regions[1 - i]!.scores[label]).toBeCloseTo(scores[label]!, 5);
  const { regions } = await ask(boxes, ["dog", "cat"]);
  for (const [i, { scores }] of regions.entries()) {
    const odds = there.regions[i]!.scores;
    expect(scores["cat"]! / scores["dog"]!).toBeCloseTo(odds["cat"]! / odds["dog"]!, 4);
  }
});

test("features are cached and equal; regions look at the image, and each head's attention sums to 1", async () => {
  const source = { model, featureLayer: -1, localiser: at("localiser"), cache: at("cache/features") } as const;
  const [features, again] = [await featuresOf(data, source), await featuresOf(data, { ...source, cache: at("again") })];
  expect(features.images).toEqual(again.images);
  expect(features.tokens).toEqual(again.tokens);
  const before = await featuresOf(data, { ...source, featureLayer: -2 });
  expect(before.images).not.toEqual(features.images);
  const tokens = features.tokens.slice(0, 2 * features.sizes.token);
  const image = features.images.slice(0, features.sizes.imageTokens * features.sizes.hidden);
  const seen = await recognizer.bridge.vectors(tokens, image);
  const blind = await recognizer.bridge.vectors(
    tokens,
    image.map(() => 0),
  );
  expect(seen.vectors).not.toEqual(blind.vectors);
  const heads = 2 * 2;
  for (let row = 0; row < heads; row++) {
    const weights = seen.attention.subarray(row * features.sizes.imageTokens, (row + 1) * features.sizes.imageTokens);
    expect(weights.reduce((a, b) => a + b)).toBeCloseTo(1, 5);
  }
});

test("auto finds boxes inside the picture, the best first, without overlap; a picture is drawn", async () => {
  const { image } = scene();
  const result = await recognize(recognizer, { image: { image }, boxes: "auto", labels, options: { fit: 0, most: 5 } });
  expect(result.regions.length).toBeGreaterThan(0);
  expect(result.regions.length).toBeLessThanOrEqual(5);
  const scores = result.regions.map(({ score }) => score);
  expect(scores).toEqual(scores.toSorted((a, b) => b - a));
  for (const { box } of result.regions) expect(box.every((edge) => edge >= 0 && edge <= 32)).toBe(true);
  const { width, height } = await sharp(await annotate({ image }, result)).metadata();
  expect([width, height]).toEqual([480, 480]);
});

test.each([
  ["no labels", { labels: [] }, /no labels are given/],
  ["a label twice", { labels: ["cat", "cat"] }, /the label "cat" is given twice/],
  ["a box outside", { boxes: [[0, 0, 33, 9]] }, /box 1 is \[0, 0, 33, 9\], which is not inside the picture of 32 × 32/],
  ["no picture", { image: { image: "/no/such.png" } }, /\/no\/such\.png: there is no such file/],
])("%s is refused", async (_, fields, sentence) => {
  const { image, boxes } = scene();
  await expect(recognize(recognizer, { image: { image }, boxes, labels, ...fields })).rejects.toThrow(sentence);
});

test("a bridge for another model or localiser is refused", async () => {
  const metadata = JSON.parse(readFileSync(bridgeJson(at("regions")), "utf8"));
  const other = { ...metadata, model: { name: "other", sha256: "0".repeat(64) } };
  writeFileSync(bridgeJson(at("regions")), JSON.stringify(other));
  await expect(Recognizer.open(model, at("regions"))).rejects.toThrow(
    /the bridge is for other with SHA-256 000000000000…/,
  );
  writeFileSync(bridgeJson(at("regions")), JSON.stringify({ ...metadata, localiser: "1".repeat(64) }));
  await expect(Recognizer.open(model, at("regions"))).rejects.toThrow(/the bridge is for a localiser with SHA-256/);
  writeFileSync(bridgeJson(at("regions")), JSON.stringify(metadata));
});
