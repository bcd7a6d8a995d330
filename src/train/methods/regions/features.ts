import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import type { ImageTextModel } from "../../../engine/encoders/image-text/image-text-model.ts";
import { readImage } from "../../../engine/images/pixels/input.ts";
import { localiserTensors, openLocaliser } from "../../../engine/images/regions/localiser-file.ts";
import { LocaliserRunner } from "../../../engine/images/regions/localiser-runner.ts";
import type { FeatureLayer } from "../../../models/images/image-text-graphs.ts";
import { sha256Of } from "../../../util/hash.ts";
import { makeFolders } from "../../../util/make-folders.ts";
import { withFile } from "../../../weights/read-file.ts";
import { parseHeader } from "../../../weights/safetensors/header.ts";
import { readFloats } from "../../../weights/safetensors/read.ts";
import { writeTensors } from "../../../weights/safetensors/write.ts";
import { modelHash } from "../../../weights/sources/index.ts";
import { type RegionScene, readScenes, sharesOf } from "./scenes.ts";

/** Features that the frozen models compute for scenes. */
export interface RegionFeatures {
  readonly scenes: readonly RegionScene[];
  /** [scenes, image tokens, hidden] */
  readonly images: Float32Array;
  /** The tokens of all scenes' regions, in order, [regions, token]. */
  readonly tokens: Float32Array;
  /** The index of each scene's first region. */
  readonly first: readonly number[];
  readonly sizes: { readonly imageTokens: number; readonly hidden: number; readonly token: number };
}

/** The frozen models, and the folder that caches their features. */
export interface FeatureSource {
  readonly model: ImageTextModel;
  /** The model's layer from which image tokens are read. */
  readonly featureLayer: FeatureLayer;
  /** The localiser's folder. */
  readonly localiser: string;
  readonly cache: string;
}

/**
 * Computes the features of a file's scenes, or reads them from the cache if these models have processed the file
 * before, so that the frozen models run only once per scene.
 * @throws UserError
 */
export async function featuresOf(file: string, source: FeatureSource): Promise<RegionFeatures> {
  const scenes = readScenes(file);
  const key = createHash("sha256");
  const { model, featureLayer, localiser } = source;
  for (const part of [
    sha256Of(readFileSync(file)),
    await modelHash(model.source),
    `${featureLayer}`,
    sha256Of(readFileSync(localiserTensors(localiser))),
  ])
    key.update(part);
  const cached = path.join(source.cache, `${key.digest("hex").slice(0, 24)}.safetensors`);
  if (!existsSync(cached)) await collect(scenes, source, cached);
  const tensors = withFile(cached, parseHeader);
  const [images, tokens] = [tensors.get("images")!, tensors.get("tokens")!];
  const [, imageTokens, hidden] = images.shape as [number, number, number];
  const sizes = { imageTokens, hidden, token: tokens.shape[1]! };
  return { scenes, images: readFloats(images), tokens: readFloats(tokens), first: firstOf(scenes), sizes };
}

function firstOf(scenes: readonly RegionScene[]): number[] {
  let end = 0;
  return scenes.map(({ boxes }) => {
    end += boxes.length;
    return end - boxes.length;
  });
}

async function collect(
  scenes: readonly RegionScene[],
  { model, featureLayer, localiser, cache }: FeatureSource,
  file: string,
) {
  using runner = await LocaliserRunner.compile(openLocaliser(localiser).localiser);
  const token = runner.localiser.config.image.hidden;
  const { tokens: imageTokens, config } = model.model.image;
  const regions = scenes.reduce((sum, { boxes }) => sum + boxes.length, 0);
  const images = new Float32Array(scenes.length * imageTokens * config.hidden);
  const tokens = new Float32Array(regions * token);
  let end = 0;
  for (const [i, scene] of scenes.entries()) {
    const picture = await readImage(scene, i);
    images.set((await model.imageTokens(picture, featureLayer)).values, i * imageTokens * config.hidden);
    const regions = await runner.regions(await runner.look(picture), sharesOf(scene.boxes, picture));
    tokens.set(regions.tokens, end * token);
    end += scene.boxes.length;
  }
  makeFolders(cache);
  const images3 = { shape: [scenes.length, imageTokens, config.hidden], values: () => images };
  const tokens2 = { shape: [regions, token], values: () => tokens };
  await writeTensors(file, new Map(Object.entries({ images: images3, tokens: tokens2 })));
}
