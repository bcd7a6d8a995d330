import path from "node:path";
import type { BridgeFile } from "../engine/images/regions/bridge-file.ts";
import type { LocaliserFile } from "../engine/images/regions/localiser-file.ts";
import { withMethod } from "../train/methods/complete.ts";
import { pairOptions } from "../train/methods/pairs/options.ts";
import type { TrainInput } from "../train/options.ts";
import { bridgeOptions, localiserOptions } from "../train/regions/options.ts";
import { trainBridge } from "../train/regions/train-bridge.ts";
import { type RegionCall, trainLocaliser } from "../train/regions/train-localiser.ts";
import { readMetrics } from "../train/session/metrics.ts";
import type { TrainingReceipt } from "../train/session/receipt.ts";
import type { TrainResult } from "../train/session/session.ts";
import { meanOfFirst } from "../train/whole/mean-loss.ts";
import { home, type ResolveOptions } from "../weights/sources/index.ts";
import { given } from "./arguments.ts";
import { load } from "./load.ts";
import { imageTextOf } from "./recognize-request.ts";
import { train } from "./train.ts";

export type SmallTrainCall = RegionCall;

/** The outcome of a training of pairs. */
export interface PairsTrained {
  readonly out: string;
  readonly steps: number;
  /** Mean losses in nats of the first and the last tenth of the steps. */
  readonly loss: { readonly first: number; readonly last: number };
  readonly receipt: TrainingReceipt;
}

/** Trains a CLIP or a SigLIP from random weights on pictures with captions. @throws UserError */
export async function trainImageText(options: unknown, call: SmallTrainCall): Promise<PairsTrained> {
  const { out, steps, receipt } = await trainBy("pairs", given("the training of pairs", pairOptions, options), call);
  const losses = readMetrics(out).map(({ loss }) => loss);
  return { out, steps, loss: { first: meanOfFirst(losses), last: meanOfFirst(losses.toReversed()) }, receipt };
}

/** A run of a method, whose options and the run's are in one list. A run in the folder is replaced. */
const trainBy = (method: string, options: object, { out, onStep, signal }: SmallTrainCall): Promise<TrainResult> =>
  train(withMethod(method, options) as TrainInput, {
    ...{ out, reuse: "force", onStep: ({ step, loss }) => onStep?.(step, loss) },
    ...(signal && { signal }),
  });

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
