import type { Recognizer } from "../../src/pipelines/recognize/recognizer.ts";
import type { RegionFeatures } from "../../src/train/methods/regions/features.ts";
import { imageOf, patchesIn, tokensOf } from "./arms.ts";

/** The minimum share of a head's attention on patches for it to count. */
const LEAST = 1e-3;

/**
 * The share of the bridge's attention to patches that lies in a region's box, divided by the share of patches in it: 1
 * for uniform attention. Averaged over heads and regions; heads that attend only to the whole picture's token are left
 * out.
 */
export async function attentionInBox(recognizer: Recognizer, features: RegionFeatures, side: number): Promise<number> {
  const patches = Math.sqrt(features.sizes.imageTokens - 1);
  const ratios: number[] = [];
  for (const [i, { boxes }] of features.scenes.entries()) {
    const { attention } = await recognizer.bridge.vectors(tokensOf(features, i), imageOf(features, i));
    const { imageTokens } = features.sizes;
    const heads = attention.length / (boxes.length * imageTokens);
    for (const [r, box] of boxes.entries()) {
      const inside = patchesIn(box, side, patches);
      for (let head = 0; head < heads; head++) {
        const row = attention.subarray(
          (head * boxes.length + r) * imageTokens,
          (head * boxes.length + r + 1) * imageTokens,
        );
        const toPatches = 1 - row[0]!;
        if (toPatches < LEAST) continue;
        const mass = inside.reduce((sum, patch) => sum + row[patch + 1]!, 0) / toPatches;
        ratios.push(mass / (inside.length / patches ** 2));
      }
    }
  }
  return ratios.reduce((sum, ratio) => sum + ratio, 0) / ratios.length;
}
