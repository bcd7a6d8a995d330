import { z } from "zod";
import { type BridgeFile, bridgeJson } from "../engine/images/regions/bridge-file.ts";
import { type LocaliserFile, localiserJson } from "../engine/images/regions/localiser-file.ts";
import { withMethod } from "../train/methods/complete.ts";
import { pairOptions } from "../train/methods/pairs/pairs.ts";
import { bridgeOptions } from "../train/methods/regions/bridge.ts";
import { localiserOptions } from "../train/methods/regions/localiser.ts";
import type { TrainInput } from "../train/options.ts";
import { meanLosses, readMetrics } from "../train/session/metrics.ts";
import type { TrainingReceipt } from "../train/session/receipt.ts";
import type { TrainResult } from "../train/session/session.ts";
import { readJson } from "../weights/json-file.ts";
import type { ResolveOptions } from "../weights/sources/index.ts";
import { checkArgument } from "./arguments.ts";
import { train } from "./train.ts";

export interface SmallTrainCall extends ResolveOptions {
  /** The run's folder, which `resumeTraining` can continue. */
  readonly out: string;
  readonly onStep?: (step: number, loss: number) => void;
}

/** The result of training on pairs. */
export interface PairsTrained {
  readonly out: string;
  readonly steps: number;
  /** Mean losses in nats of the first and the last tenth of the steps. */
  readonly loss: { readonly first: number; readonly last: number };
  readonly receipt: TrainingReceipt;
}

/** Trains a CLIP or SigLIP model from random weights on pictures with captions. @throws UserError */
export async function trainImageText(options: unknown, call: SmallTrainCall): Promise<PairsTrained> {
  const { out, steps, receipt } = await trainBy("pairs", checkArgument("pair training", pairOptions, options), call);
  return { out, steps, loss: meanLosses(readMetrics(out).map(({ loss }) => loss)), receipt };
}

/** Trains a localiser on pictures with masks of any class. @throws UserError */
export async function trainRegionLocaliser(options: unknown, call: SmallTrainCall): Promise<LocaliserFile> {
  await trainBy("localiser", checkArgument("localiser training", localiserOptions, options), call);
  return readJson(localiserJson(call.out), z.custom<LocaliserFile>(), "a trained localiser");
}

/**
 * Trains a bridge between a frozen localiser and a frozen image–text model. Their features are cached in `MODICUM_HOME`
 * for later runs on the same data.
 * @throws UserError
 */
export async function trainRegionBridge(
  { model, ...options }: { readonly model: string; readonly [option: string]: unknown },
  call: SmallTrainCall,
): Promise<BridgeFile> {
  const checked = checkArgument("bridge training", bridgeOptions, options);
  await trainBy("bridge", { ...checked, model }, call);
  return readJson(bridgeJson(call.out), z.custom<BridgeFile>(), "a trained bridge");
}

/** Trains with a method; `options` has the method's and the run's options. An earlier run in the folder is replaced. */
const trainBy = (method: string, options: object, { onStep, ...call }: SmallTrainCall): Promise<TrainResult> =>
  train(withMethod(method, options) as TrainInput, {
    ...{ ...call, reuse: "force", onStep: ({ step, loss }) => onStep?.(step, loss) },
  });
