import type { RegionFeatures } from "../../../src/train/methods/regions/features.ts";
import type { RegionScene } from "../../../src/train/methods/regions/scenes.ts";
import type { Seen } from "./features.ts";

/** A trained arm: the same bridge, on other tokens. */
export interface Arm {
  /** Its name in tables. */
  readonly title: string;
  /** Pictures of a step. */
  readonly batch: number;
  features(seen: Seen): RegionFeatures;
}

/** Pictures of a step, and as many regions as these have on average. */
const PICTURES = 16;
const LONE = 32;

/** Each region as a picture of its own. */
const alone = (scenes: readonly RegionScene[]): RegionScene[] =>
  scenes.flatMap(({ image, boxes, labels }) => boxes.map((box, i) => ({ image, boxes: [box], labels: [labels[i]!] })));

function firstOf(scenes: readonly RegionScene[]): number[] {
  let end = 0;
  return scenes.map(({ boxes }) => {
    end += boxes.length;
    return end - boxes.length;
  });
}

/** Regions that look at the tokens of their scene. */
const inScenes = ({ scenes, images, sizes }: Seen, tokens: Float32Array, token: number): RegionFeatures => ({
  ...{ scenes, images, tokens, first: firstOf(scenes) },
  sizes: { imageTokens: sizes.tokens, hidden: sizes.hidden, token },
});

/** Regions that each look at an image of their own. */
function lone({ scenes, sizes }: Seen, images: Float32Array, tokens: Float32Array): RegionFeatures {
  const regions = alone(scenes);
  const { hidden } = sizes;
  const imageTokens = images.length / hidden / regions.length;
  return { scenes: regions, images, tokens, first: [...regions.keys()], sizes: { imageTokens, hidden, token: hidden } };
}

/** The first token of each crop, [regions, hidden]. */
export function cropVectors({ crops, sizes: { tokens, hidden } }: Pick<Seen, "crops" | "sizes">): Float32Array {
  const regions = crops.length / tokens / hidden;
  const vectors = new Float32Array(regions * hidden);
  for (let region = 0; region < regions; region++) {
    const at = region * tokens * hidden;
    vectors.set(crops.subarray(at, at + hidden), region * hidden);
  }
  return vectors;
}

export const arms = {
  bridge: {
    title: "RegionSpot's bridge",
    batch: PICTURES,
    features: (seen) => inScenes(seen, seen.where, seen.sizes.where),
  },
  crops: {
    title: "the same network on each crop",
    batch: LONE,
    features: (seen) => lone(seen, seen.crops, cropVectors(seen)),
  },
  means: {
    title: "the same network on the mean of the box's patches",
    batch: LONE,
    // One token of zeros reads as many do.
    features: (seen) => lone(seen, new Float32Array(seen.means.length), seen.means),
  },
} as const satisfies Readonly<Record<string, Arm>>;
export type ArmName = keyof typeof arms;
