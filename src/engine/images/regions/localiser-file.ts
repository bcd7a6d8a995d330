import path from "node:path";
import { z } from "zod";
import { readClipVision } from "../../../models/images/clip-vision.ts";
import { Localiser, type LocaliserConfig } from "../../../models/own-networks/localiser.ts";
import type { ConfigSource } from "../../../weights/checkpoint.ts";
import { readJson } from "../../../weights/json-file.ts";
import { PlainWeights } from "../../../weights/plain-weights.ts";
import { withFile } from "../../../weights/read-file.ts";
import { parseHeader } from "../../../weights/safetensors/header.ts";

const count = z.int().min(1).max(4096);

/** Sizes of a localiser. */
export const localiserSizes = z.strictObject({
  imageSize: count.default(96).describe("pixels per side of the square to which a picture is scaled"),
  patchSize: count.default(8).describe("pixels of a patch's side"),
  hidden: count.default(64).describe("width of the network, and of a region's token"),
  imageLayers: count.default(3).describe("layers of the picture encoder"),
  layers: count.default(2).describe("layers of the box decoder"),
  heads: count.default(4).describe("attention heads per layer"),
  cells: count.default(4).describe("mask cells along a patch's side"),
  maskWidth: count.default(32).describe("width of the vectors whose product is a mask"),
});
export type LocaliserSizes = z.output<typeof localiserSizes>;

/** `localiser.json` in a folder, next to `localiser.safetensors`. */
const localiserFile = z.strictObject({
  sizes: localiserSizes,
  data: z.strictObject({ sha256: z.string(), scenes: z.int().min(1) }),
  steps: z.int().min(1),
  /** The mean intersection over union of predicted and true masks, on held-out scenes. */
  maskIou: z.number().min(0).max(1),
});
export type LocaliserFile = z.output<typeof localiserFile>;

export const localiserJson = (folder: string): string => path.join(folder, "localiser.json");
export const localiserTensors = (folder: string): string => path.join(folder, "localiser.safetensors");

/** The configuration for tracing a localiser; `file` names it in messages. */
export function localiserConfig(
  sizes: LocaliserSizes,
  file: string,
): { source: ConfigSource; config: LocaliserConfig } {
  const { hidden, imageLayers, heads, imageSize, patchSize, layers, cells, maskWidth } = sizes;
  const vision = {
    ...{ hidden_size: hidden, intermediate_size: 4 * hidden, num_hidden_layers: imageLayers },
    ...{ num_attention_heads: heads, image_size: imageSize, patch_size: patchSize, hidden_act: "gelu" },
  };
  const source = { kind: "huggingface", path: file, config: { vision_config: vision } } as const;
  return { source, config: { image: readClipVision(source, "localiser"), layers, heads, cells, maskWidth } };
}

/** Opens a folder's localiser. @throws UserError if a file is missing or damaged */
export function openLocaliser(folder: string): { readonly localiser: Localiser; readonly metadata: LocaliserFile } {
  const metadata = readJson(localiserJson(folder), localiserFile, "a trained localiser");
  const file = localiserTensors(folder);
  const { source, config } = localiserConfig(metadata.sizes, file);
  return { metadata, localiser: new Localiser(config, new PlainWeights(source, withFile(file, parseHeader))) };
}
