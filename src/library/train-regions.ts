import path from "node:path";
import type { BridgeFile } from "../engine/images/regions/bridge-file.ts";
import type { LocaliserFile } from "../engine/images/regions/localiser-file.ts";
import { pairOptions } from "../train/pairs/options.ts";
import { type PairsTrained, trainPairs } from "../train/pairs/train-pairs.ts";
import { bridgeOptions, localiserOptions } from "../train/regions/options.ts";
import { trainBridge } from "../train/regions/train-bridge.ts";
import { type RegionCall, trainLocaliser } from "../train/regions/train-localiser.ts";
import { home, type ResolveOptions } from "../weights/sources/index.ts";
import { given } from "./arguments.ts";
import { load } from "./load.ts";
import { imageTextOf } from "./recognize-request.ts";

export type SmallTrainCall = RegionCall;

/** Trains a CLIP or a SigLIP from random weights on pictures with captions. @throws UserError */
export const trainImageText = (options: unknown, call: SmallTrainCall): Promise<PairsTrained> =>
  trainPairs(given("the training of pairs", pairOptions, options), call);

/** Trains a localiser on pictures with masks, of whatever class. @throws UserError */
export const trainRegionLocaliser = (options: unknown, call: SmallTrainCall): Promise<LocaliserFile> =>
  trainLocaliser(given("the training of a localiser", localiserOptions, options), call);

/**
 * Trains a bridge between a localiser and a model of images and texts, neither of which changes. Their features are kept
 * in `MODICUM_HOME` and read from there by later runs on the same data.
 * @throws UserError
 */
export async function trainRegionBridge(
  { model: name, ...options }: { readonly model: string; readonly [option: string]: unknown },
  { signal, ...call }: SmallTrainCall & ResolveOptions,
): Promise<BridgeFile> {
  const checked = given("the training of a bridge", bridgeOptions, options);
  using model = await load(name, { ...(signal && { signal }) });
  return await trainBridge(
    checked,
    { model: imageTextOf(model), cache: path.join(home(), "features") },
    { ...call, signal },
  );
}
