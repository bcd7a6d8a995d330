/**
 * Draws what a bridge names and where it looks: `npx tsx research/regionspot/region-maps.ts MODEL SCENES.jsonl OUT.png [COUNT]`. A row for each of
 * the first COUNT (4) pictures of several regions: the picture with its names, then each of the first three regions with the patches that the
 * last layer attends to, the brighter the more. MODEL comes with a localiser and a bridge, or is FOLDER:REGIONS.
 */
import { readFile, writeFile } from "node:fs/promises";
import sharp from "sharp";
import { ImageTextModel } from "../../src/engine/encoders/image-text/image-text-model.ts";
import { decodeImage } from "../../src/engine/images/pixels/decode.ts";
import type { Box } from "../../src/engine/images/regions/box.ts";
import { annotate } from "../../src/pipelines/recognize/annotate.ts";
import { sharesOf } from "../../src/pipelines/recognize/boxes.ts";
import { recognize } from "../../src/pipelines/recognize/recognize.ts";
import { Recognizer } from "../../src/pipelines/recognize/recognizer.ts";
import { type RegionScene, readScenes } from "../../src/train/methods/regions/scenes.ts";
import { resolveModel } from "../../src/weights/sources/index.ts";
import { SIDE, shades, sheetOf, svgOf } from "../common/picture-sheet.ts";

const [model, scenes, out, count = "4"] = process.argv.slice(2);
if (model === undefined || scenes === undefined || out === undefined)
  throw new Error("usage: npx tsx research/regionspot/region-maps.ts MODEL SCENES.jsonl OUT.png [COUNT]");

const REGIONS = 3;

/** The mean over heads of each region's attention to the picture's patches, [regions][patches]. */
async function attentionOf(recognizer: Recognizer, { image, boxes }: RegionScene): Promise<number[][]> {
  const picture = await decodeImage(await readFile(image), image);
  const features = await recognizer.localiser.look(picture);
  const { tokens } = await recognizer.localiser.regions(features, sharesOf(boxes, picture));
  const { values } = await recognizer.model.imageTokens(picture, recognizer.featureLayer);
  const { attention } = await recognizer.bridge.vectors(tokens, values);
  const imageTokens = recognizer.model.model.image.tokens;
  const heads = attention.length / (boxes.length * imageTokens);
  return boxes.map((_, region) =>
    // The first token stands for the whole picture.
    Array.from({ length: imageTokens - 1 }, (_, patch) => {
      let sum = 0;
      for (let head = 0; head < heads; head++)
        sum += attention[(head * boxes.length + region) * imageTokens + 1 + patch]!;
      return sum / heads;
    }),
  );
}

/** The picture, darker where a region does not attend, with the region's box. */
async function mapOf(file: string, attention: readonly number[], box: Box): Promise<Uint8Array> {
  const { width, height } = await sharp(file).metadata();
  const patches = Math.sqrt(attention.length);
  const most = Math.max(...attention);
  const darkness = attention.map((share) => 0.85 * (1 - share / most));
  const [left, top, right, bottom] = [
    (box[0] * SIDE) / width,
    (box[1] * SIDE) / height,
    (box[2] * SIDE) / width,
    (box[3] * SIDE) / height,
  ];
  const frame = `<rect x="${left}" y="${top}" width="${right - left}" height="${bottom - top}" fill="none" stroke="#ffb000" stroke-width="3"/>`;
  const scaled = sharp(file).resize(SIDE, SIDE, { kernel: "nearest", fit: "fill" });
  return scaled
    .composite([{ input: svgOf(`${shades(darkness, [patches, patches])}${frame}`) }])
    .png()
    .toBuffer();
}

async function rowOf(recognizer: Recognizer, scene: RegionScene, labels: readonly string[]): Promise<Uint8Array[]> {
  const image = { image: scene.image };
  const found = await recognize(recognizer, { image, boxes: scene.boxes, labels });
  const named = await sharp(await annotate(image, found))
    .resize(SIDE, SIDE)
    .png()
    .toBuffer();
  const attention = await attentionOf(recognizer, scene);
  const shown = scene.boxes.slice(0, REGIONS);
  process.stdout.write(
    `${scene.labels.join(", ")}: named ${found.regions.map(({ label, score }) => `${label} ${score.toFixed(2)}`).join(", ")}\n`,
  );
  return [named, ...(await Promise.all(shown.map((box, i) => mapOf(scene.image, attention[i]!, box))))];
}

const [name, regions] = model.split(":") as [string, string?];
const loaded = await ImageTextModel.load(await resolveModel(name));
const recognizer = await Recognizer.open(loaded, regions);
const all = readScenes(scenes);
const labels = [...new Set(all.flatMap((scene) => scene.labels))].sort();
const several = all.filter(({ boxes }) => boxes.length > 1).slice(0, Number(count));
const rows = [];
for (const scene of several) rows.push(await rowOf(recognizer, scene, labels));
await writeFile(out, await sheetOf(rows, 1 + REGIONS));
recognizer[Symbol.dispose]();
loaded[Symbol.dispose]();
