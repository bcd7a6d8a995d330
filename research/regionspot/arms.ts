import sharp from "sharp";
import type { ImageTextModel } from "../../src/engine/encoders/image-text/image-text-model.ts";
import { type Box, overlap } from "../../src/engine/images/regions/box.ts";
import { BOX_NUMBERS, boxNumbers } from "../../src/models/own-networks/localiser.ts";
import type { Recognizer } from "../../src/pipelines/recognize/recognizer.ts";
import type { RegionFeatures } from "../../src/train/methods/regions/features.ts";
import type { RegionScene } from "../../src/train/methods/regions/scenes.ts";
import { seededRandom, shuffle } from "../../src/util/random.ts";
import type { Frozen } from "./frozen.ts";

/** A vector for each region of all scenes, in order; undefined: the arm has none. */
export type Vectors = readonly (Float32Array | undefined)[];

export const tokensOf = ({ tokens, first, sizes, scenes }: RegionFeatures, scene: number): Float32Array =>
  tokens.slice(first[scene]! * sizes.token, (first[scene]! + scenes[scene]!.boxes.length) * sizes.token);

/** The same features, with each region's box in place of the localiser's token, as the localiser reads it. */
export function boxesAsTokens(features: RegionFeatures, side: number): RegionFeatures {
  const numbers = features.scenes.flatMap(({ boxes }) =>
    boxes.flatMap((box) => boxNumbers(box.map((edge) => edge / side))),
  );
  return { ...features, tokens: Float32Array.from(numbers), sizes: { ...features.sizes, token: BOX_NUMBERS } };
}

/** Returns, for each region of all scenes, whether its box overlaps another's by at least a tenth of their union. */
export const crowdedIn = (scenes: readonly RegionScene[]): boolean[] =>
  scenes.flatMap(({ boxes }) => boxes.map((box) => boxes.some((other) => other !== box && overlap(box, other) >= 0.1)));

/** The image's tokens of a scene. */
export const imageOf = ({ images, sizes }: RegionFeatures, scene: number): Float32Array => {
  const size = sizes.imageTokens * sizes.hidden;
  return images.slice(scene * size, (scene + 1) * size);
};

/** The change that a control makes to what the bridge sees. */
export type Control = "none" | "shuffled tokens" | "no image";

/**
 * The bridge's vectors; under a control, a picture's regions exchange tokens at random, or the image is zeros. Tokens
 * are exchanged only in pictures of several regions with distinct labels.
 */
export async function bridged(
  recognizer: Pick<Recognizer, "bridge">,
  features: RegionFeatures,
  control: Control,
): Promise<Vectors> {
  const random = seededRandom(7);
  const vectors: (Float32Array | undefined)[] = [];
  for (const [i, { boxes, labels }] of features.scenes.entries()) {
    const image = imageOf(features, i);
    const order = [...boxes.keys()];
    const apart = boxes.length > 1 && new Set(labels).size === boxes.length;
    if (control === "shuffled tokens") shuffle(order, random);
    const { token } = features.sizes;
    const own = tokensOf(features, i);
    const tokens = Float32Array.from(order.flatMap((r) => [...own.subarray(r * token, (r + 1) * token)]));
    const found = await recognizer.bridge.vectors(tokens, control === "no image" ? image.fill(0) : image);
    const width = found.vectors.length / boxes.length;
    for (const r of boxes.keys())
      vectors.push(
        control === "shuffled tokens" && !apart ? undefined : found.vectors.slice(r * width, (r + 1) * width),
      );
  }
  return vectors;
}

/**
 * Crop-and-classify: the image–text model's vector of each region's part of the picture, scaled to a whole one. `margin` is what is
 * cut out around a box, as a share of its sides.
 */
export async function cropped(
  model: ImageTextModel,
  scenes: readonly RegionScene[],
  side: number,
  margin: number,
): Promise<Vectors> {
  const vectors: Float32Array[] = [];
  for (const { image, boxes } of scenes) {
    const crops = await Promise.all(
      boxes.map((box) => {
        const [left, top, right, bottom] = widened(box, side, margin);
        return sharp(image)
          .extract({ left, top, width: right - left, height: bottom - top })
          .png()
          .toBuffer();
      }),
    );
    const { answers } = await model.embed(crops.map((bytes) => ({ image: bytes })));
    vectors.push(...answers);
  }
  return vectors;
}

function widened([left, top, right, bottom]: Box, side: number, margin: number): Box {
  const [x, y] = [right - left, bottom - top].map((edge) => Math.round(edge * margin)) as [number, number];
  return [Math.max(0, left - x), Math.max(0, top - y), Math.min(side, right + x), Math.min(side, bottom + y)];
}

/** The mean of the image's tokens whose patch's middle is in the box (or of the nearest one), as a vector of the space. */
export function pooled({ scenes, ...features }: RegionFeatures, frozen: Frozen, side: number): Vectors {
  const { hidden, imageTokens } = features.sizes;
  const patches = Math.sqrt(imageTokens - 1);
  return scenes.flatMap(({ boxes }, i) => {
    const image = imageOf({ scenes, ...features }, i);
    return boxes.map((box) => {
      const inside = patchesIn(box, side, patches);
      const mean = new Float32Array(hidden);
      for (const patch of inside)
        for (let d = 0; d < hidden; d++) mean[d]! += image[(patch + 1) * hidden + d]! / inside.length;
      return frozen.project(mean);
    });
  });
}

/** The patches whose middle is in a box; if there are none, the one that the box's middle is in. */
export function patchesIn([left, top, right, bottom]: readonly number[], side: number, patches: number): number[] {
  const cell = side / patches;
  const inside: number[] = [];
  for (let y = 0; y < patches; y++)
    for (let x = 0; x < patches; x++) {
      const [cx, cy] = [(x + 0.5) * cell, (y + 0.5) * cell];
      if (cx >= left! && cx < right! && cy >= top! && cy < bottom!) inside.push(y * patches + x);
    }
  if (inside.length > 0) return inside;
  const [x, y] = [(left! + right!) / 2, (top! + bottom!) / 2].map((at) => Math.floor(at / cell)) as [number, number];
  return [y * patches + x];
}
