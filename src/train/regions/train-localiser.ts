import {
  type LocaliserFile,
  localiserConfig,
  localiserFile,
  localiserJson,
  localiserTensors,
} from "../../engine/images/regions/localiser-file.ts";
import { Localiser } from "../../models/own-networks/localiser.ts";
import { UserError } from "../../util/errors.ts";
import { makeFolders } from "../../util/make-folders.ts";
import { seededRandom, shuffle } from "../../util/random.ts";
import { writeJson } from "../../util/write-whole.ts";
import { withFile } from "../../weights/read-file.ts";
import { parseHeader } from "../../weights/safetensors/header.ts";
import { readFloats } from "../../weights/safetensors/read.ts";
import { type WritableTensor, writeTensors } from "../../weights/safetensors/write.ts";
import { TracedWeights } from "../graphs/traced-weights.ts";
import type { ParameterStore } from "../step/parameters.ts";
import { rateAt } from "../step/schedule.ts";
import { fillByWidth } from "../whole/fill.ts";
import { WholeTrainer } from "../whole/whole-trainer.ts";
import { hashOf } from "./hash.ts";
import { localiserBatch } from "./localiser-batch.ts";
import { localiserLoss } from "./localiser-loss.ts";
import { measureMasks } from "./measure-masks.ts";
import type { LocaliserOptions } from "./options.ts";
import { type RegionScene, readScenes } from "./scenes.ts";

export interface RegionCall {
  /** The folder that is written. */
  readonly out: string;
  readonly onStep?: (step: number, loss: number) => void;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Trains a localiser on scenes with masks and writes `localiser.json` and `localiser.safetensors` (float16).
 * @throws UserError
 */
export async function trainLocaliser(options: LocaliserOptions, call: RegionCall): Promise<LocaliserFile> {
  const { out } = call;
  const scenes = readScenes(options.data);
  const heldOut = readScenes(options.heldOut);
  makeFolders(out);
  const { source, config } = localiserConfig(options.sizes, "sizes");
  const weights = new TracedWeights(source, biased, (name) => name);
  const localiser = new Localiser(config, weights);
  const loss = (g: Parameters<typeof localiserLoss>[0]) =>
    localiserLoss(g, localiser, Math.min(options.batch, scenes.length), options.regions);
  using trainer = await WholeTrainer.create({ weights, loss }, options.optimizer);
  fillByWidth(trainer.store, options.sizes.imageLayers, options.seed);
  if (options.start !== undefined) fillFrom(trainer.store, localiserTensors(options.start));
  await runSteps(scenes, trainer, options, call);
  await writeTensors(localiserTensors(out), tensorsOf(trainer.store, "F16"));
  const data = { sha256: hashOf(options.data), scenes: scenes.length };
  const about = { sizes: options.sizes, data, steps: options.steps };
  await writeJson(localiserJson(out), localiserFile.parse({ ...about, maskIou: 0 }));
  const whole: LocaliserFile = { ...about, maskIou: await measureMasks(out, heldOut) };
  await writeJson(localiserJson(out), whole);
  return whole;
}

async function runSteps(
  scenes: readonly RegionScene[],
  trainer: WholeTrainer,
  { steps, seed, batch, regions, sizes, optimizer, schedule }: LocaliserOptions,
  { onStep, signal }: RegionCall,
): Promise<void> {
  const { imageSize, patchSize, cells } = sizes;
  const shape = { imageSize, side: (imageSize / patchSize) * cells, cells, regions };
  const random = seededRandom(seed);
  let queue: RegionScene[] = [];
  for (let step = 0; step < steps; step++) {
    signal?.throwIfAborted();
    if (queue.length < batch) queue = [...queue, ...shuffle([...scenes], random)];
    const inputs = await localiserBatch(queue.splice(0, Math.min(batch, scenes.length)), shape, random);
    onStep?.(step + 1, await trainer.step(inputs, optimizer.lr * rateAt(schedule, step, steps)));
  }
}

/** Fills parameters with a file's tensors. @throws UserError if one is missing or of another shape */
function fillFrom(store: ParameterStore, file: string): void {
  const tensors = withFile(file, parseHeader);
  for (const parameter of store.parameters) {
    const tensor = tensors.get(parameter.name);
    if (!tensor || tensor.shape.join() !== parameter.shape.join())
      throw new UserError(`${file}: there is no tensor "${parameter.name}" of [${parameter.shape.join(", ")}]`);
    store.valuesOf(parameter).set(readFloats(tensor));
  }
}

/** All projections have biases but that of patches. */
const biased = (name: string): boolean => /\.bias$/.test(name) && name !== "v.patch_embd.bias";

/** A store's parameters, to be written. */
export const tensorsOf = (store: ParameterStore, type?: "F16"): Map<string, WritableTensor> =>
  new Map(
    store.parameters.map((p) => [
      p.name,
      { shape: p.shape, ...(type && { type }), values: () => store.valuesOf(p).slice() },
    ]),
  );
