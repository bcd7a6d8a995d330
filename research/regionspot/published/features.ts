import { existsSync, mkdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { ImageTextModel } from "../../../src/engine/encoders/image-text/image-text-model.ts";
import { decodeImage } from "../../../src/engine/images/pixels/decode.ts";
import type { Box } from "../../../src/engine/images/regions/box.ts";
import { resolveModel } from "../../../src/index-lab.ts";
import { Recognizer } from "../../../src/pipelines/recognize/recognizer.ts";
import { type RegionScene, readScenes } from "../../../src/train/methods/regions/scenes.ts";
import { withFile } from "../../../src/weights/read-file.ts";
import { parseHeader } from "../../../src/weights/safetensors/header.ts";
import { readFloats } from "../../../src/weights/safetensors/read.ts";
import { writeTensors } from "../../../src/weights/safetensors/write.ts";
import { patchesIn } from "../arms.ts";
import { Tower } from "./tower.ts";

/** Pixels of a scene's side, and of the side that a crop is scaled to. */
export const SIDES = { scene: 224, crop: 112 } as const;
/** Margin of a crop around a box, as a share of its sides. */
const MARGIN = 0.1;
/** Scenes of a file of the cache. */
const SHARD = 50;
/** A scene's patches are averaged in squares of this side, so that it has as many tokens as a crop. */
const SQUARE = 2;

/** Features of scenes by frozen models. */
export interface Seen {
  readonly scenes: readonly RegionScene[];
  /** Tokens of scenes [scenes, tokens, hidden] and of crops [regions, tokens, hidden], as many of both. */
  readonly images: Float32Array;
  readonly crops: Float32Array;
  /** The mean of the patches in a region's box, [regions, hidden]. */
  readonly means: Float32Array;
  /** The localiser's vector of a region, [regions, where]. */
  readonly where: Float32Array;
  readonly sizes: { readonly tokens: number; readonly hidden: number; readonly where: number };
}

const NAMES = ["images", "crops", "means", "where"] as const;

/** Reads a file's scenes through the models; shards that are in the cache are not seen again. */
export async function seenIn(file: string, cache: string): Promise<Seen> {
  const scenes = readScenes(file);
  mkdirSync(cache, { recursive: true });
  const shardOf = (from: number) => join(cache, `${String(from).padStart(6, "0")}.safetensors`);
  const starts = Array.from({ length: Math.ceil(scenes.length / SHARD) }, (_, i) => i * SHARD);
  const missing = starts.filter((from) => !existsSync(shardOf(from)));
  if (missing.length > 0) {
    using eyes = await Eyes.open();
    for (const from of missing) {
      const began = performance.now();
      await eyes.write(scenes.slice(from, from + SHARD), shardOf(from));
      console.error(`${shardOf(from)}: ${((performance.now() - began) / 1000).toFixed(1)} s`);
    }
  }
  const parts = starts.map((from) => withFile(shardOf(from), parseHeader));
  const [images, crops, means, where] = NAMES.map((name) =>
    joined(parts.map((tensors) => readFloats(tensors.get(name)!))),
  ) as [Float32Array, Float32Array, Float32Array, Float32Array];
  const [, tokens, hidden] = parts[0]!.get("images")!.shape as [number, number, number];
  return { scenes, images, crops, means, where, sizes: { tokens, hidden, where: parts[0]!.get("where")!.shape[1]! } };
}

function joined(parts: readonly Float32Array[]): Float32Array {
  const all = new Float32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let end = 0;
  for (const part of parts) {
    all.set(part, end);
    end += part.length;
  }
  return all;
}

/** The frozen models: DINOv2 for scenes and for crops, and clip-tiny's localiser. */
class Eyes implements Disposable {
  private constructor(
    private readonly scene: Tower,
    private readonly crop: Tower,
    private readonly clip: ImageTextModel,
    private readonly recognizer: Recognizer,
  ) {}

  static async open(): Promise<Eyes> {
    const clip = await ImageTextModel.load(await resolveModel("clip-tiny"));
    const [scene, crop] = [await Tower.open("dinov2-small", SIDES.scene), await Tower.open("dinov2-small", SIDES.crop)];
    return new Eyes(scene, crop, clip, await Recognizer.open(clip));
  }

  /** Writes what is seen in scenes, in float16. */
  async write(scenes: readonly RegionScene[], file: string): Promise<void> {
    const found: Record<(typeof NAMES)[number], Float32Array[]> = { images: [], crops: [], means: [], where: [] };
    for (const scene of scenes) {
      const tokens = await this.scene.see(scene.image);
      found.images.push(pooledTokens(tokens, this.scene.hidden));
      found.means.push(...scene.boxes.map((box) => meanIn(tokens, box, this.scene.hidden)));
      for (const box of scene.boxes) found.crops.push(await this.crop.see(scene.image, widened(box)));
      found.where.push(await this.#where(scene));
    }
    const { tokens, hidden } = this.crop;
    const regions = found.crops.length;
    const where = joined(found.where);
    const shapes = {
      ...{ images: [scenes.length, tokens, hidden], crops: [regions, tokens, hidden] },
      ...{ means: [regions, hidden], where: [regions, where.length / regions] },
    };
    const tensors = NAMES.map(
      (name) => [name, { shape: shapes[name], type: "F16" as const, values: () => joined(found[name]) }] as const,
    );
    await writeTensors(file, new Map(tensors));
  }

  async #where({ image, boxes }: RegionScene): Promise<Float32Array> {
    const { localiser } = this.recognizer;
    const picture = await decodeImage(readFileSync(image), image);
    const shares = boxes.map((box) => box.map((edge) => edge / SIDES.scene) as unknown as Box);
    return (await localiser.regions(await localiser.look(picture), shares)).tokens;
  }

  [Symbol.dispose](): void {
    for (const held of [this.recognizer, this.clip, this.scene, this.crop]) held[Symbol.dispose]();
  }
}

/** A picture's tokens with its patches averaged in squares, the first token as it is. */
function pooledTokens(tokens: Float32Array, hidden: number): Float32Array {
  const patches = Math.sqrt(tokens.length / hidden - 1);
  const side = patches / SQUARE;
  const pooled = new Float32Array((1 + side ** 2) * hidden);
  pooled.set(tokens.subarray(0, hidden));
  for (let at = 0; at < patches ** 2; at++) {
    const [x, y] = [at % patches, Math.floor(at / patches)].map((v) => Math.floor(v / SQUARE)) as [number, number];
    for (let d = 0; d < hidden; d++)
      pooled[(1 + y * side + x) * hidden + d]! += tokens[(1 + at) * hidden + d]! / SQUARE ** 2;
  }
  return pooled;
}

function meanIn(tokens: Float32Array, box: Box, hidden: number): Float32Array {
  const inside = patchesIn(box, SIDES.scene, Math.sqrt(tokens.length / hidden - 1));
  const mean = new Float32Array(hidden);
  for (const patch of inside)
    for (let d = 0; d < hidden; d++) mean[d]! += tokens[(patch + 1) * hidden + d]! / inside.length;
  return mean;
}

function widened([left, top, right, bottom]: Box): Box {
  const [x, y] = [right - left, bottom - top].map((edge) => Math.round(edge * MARGIN)) as [number, number];
  const within = (edge: number) => Math.min(SIDES.scene, Math.max(0, edge));
  return [within(left - x), within(top - y), within(right + x), within(bottom + y)];
}
