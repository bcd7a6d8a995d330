import path from "node:path";
import { z } from "zod";
import { featureLayers } from "../../../models/images/image-text-graphs.ts";
import { type BridgeConfig, RegionBridge } from "../../../models/own-networks/region-bridge.ts";
import { UserError } from "../../../util/errors.ts";
import { readJson, sha256 } from "../../../weights/json-file.ts";
import { PlainWeights } from "../../../weights/plain-weights.ts";
import { withFile } from "../../../weights/read-file.ts";
import { parseHeader } from "../../../weights/safetensors/header.ts";

const count = z.int().min(1);

/** `bridge.json` in a folder, next to `bridge.safetensors`. */
export const bridgeFile = z.strictObject({
  /** The image–text model whose tokens the bridge reads. */
  model: z.strictObject({ name: z.string().min(1), sha256 }),
  /** The layer of `model` whose tokens the bridge reads. */
  featureLayer: z.literal(featureLayers).default(-1),
  /** The hash of the localiser's weights. */
  localiser: sha256,
  sizes: z.strictObject({ token: count, hidden: count, width: count, layers: count, heads: count, ffn: count }),
  /** True if the model's tokens first pass through a layer norm. */
  imageNorm: z.boolean().default(false),
  /** The factor from cosines to logits. */
  scale: z.number().positive(),
  /** The labels used in training; the bridge works with any labels. */
  labels: z.array(z.string()),
  data: z.strictObject({ sha256, regions: count }),
  steps: count,
  seed: z.int().min(0),
  /** Mean losses of the first and the last tenth of the steps. */
  loss: z.strictObject({ first: z.number(), last: z.number() }),
});
export type BridgeFile = z.output<typeof bridgeFile>;

export const bridgeJson = (folder: string): string => path.join(folder, "bridge.json");
export const bridgeTensors = (folder: string): string => path.join(folder, "bridge.safetensors");

/** Opens a folder's bridge. @throws UserError if a file is missing or damaged */
export function openBridge(folder: string): { readonly bridge: RegionBridge; readonly metadata: BridgeFile } {
  const metadata = readJson(bridgeJson(folder), bridgeFile, "a trained bridge");
  const file = bridgeTensors(folder);
  const source = { kind: "huggingface", path: file, config: {} } as const;
  const config: BridgeConfig = { ...metadata.sizes, imageNorm: metadata.imageNorm };
  return { metadata, bridge: new RegionBridge(config, new PlainWeights(source, withFile(file, parseHeader))) };
}

/** @throws UserError if a bridge was trained for another image–text model or localiser */
export function checkBridge(folder: string, metadata: BridgeFile, own: { model: string; localiser: string }): void {
  const refuse = (what: string, expected: string, got: string) => {
    throw new UserError(
      `${bridgeJson(folder)}: the bridge is for ${what} with SHA-256 ${expected.slice(0, 12)}…, but this one has ${got.slice(0, 12)}…`,
    );
  };
  if (metadata.model.sha256 !== own.model) refuse(metadata.model.name, metadata.model.sha256, own.model);
  if (metadata.localiser !== own.localiser) refuse("a localiser", metadata.localiser, own.localiser);
}
