import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { readImage } from "../../../engine/images/pixels/input.ts";
import type { Pixels } from "../../../engine/images/pixels/pixels.ts";
import {
  type LocaliserFile,
  localiserConfig,
  localiserJson,
  localiserTensors,
} from "../../../engine/images/regions/localiser-file.ts";
import type { Graph } from "../../../graph/index.ts";
import { Localiser } from "../../../models/own-networks/localiser.ts";
import { UserError } from "../../../util/errors.ts";
import { sha256Of } from "../../../util/hash.ts";
import { seededRandom, shuffle } from "../../../util/random.ts";
import { writeJson } from "../../../util/write-whole.ts";
import { withFile } from "../../../weights/read-file.ts";
import { parseHeader } from "../../../weights/safetensors/header.ts";
import { readFloats } from "../../../weights/safetensors/read.ts";
import { type WritableTensor, writeTensors } from "../../../weights/safetensors/write.ts";
import { TracedWeights } from "../../graphs/traced-weights.ts";
import type { OpenTerms } from "../../session/stage.ts";
import type { ParameterStore } from "../../step/parameters.ts";
import { fillByWidth } from "../../whole/fill.ts";
import { type WholeBatch, WholeStage } from "../../whole/whole-stage.ts";
import type { LocaliserOptions } from "./localiser.ts";
import { drawBoxes, localiserBatch } from "./localiser-batch.ts";
import { localiserLoss } from "./localiser-loss.ts";
import { measureMasks } from "./measure-masks.ts";
import { type RegionScene, readScenes } from "./scenes.ts";

/** Trains a localiser and writes `localiser.json` and `localiser.safetensors` (float16). @throws UserError */
export async function* localiserStages(
  options: LocaliserOptions,
  { options: run, out, resumes }: OpenTerms,
): AsyncGenerator<WholeStage, void> {
  const { data, seed, sizes, start, steps, regions } = options;
  const scenes = readScenes(data);
  const heldOut = readScenes(options.heldOut);
  const { source, config } = localiserConfig(sizes, "sizes");
  const weights = new TracedWeights(source, biased, (name) => name);
  const localiser = new Localiser(config, weights);
  const batch = Math.min(options.batch, scenes.length);
  const loss = (g: Graph) => localiserLoss(g, localiser, batch, regions);
  const hash = sha256Of(readFileSync(data));
  const metadata = { sizes, data: { sha256: hash, scenes: scenes.length }, steps };
  let maskIou: number | undefined;
  using stage: WholeStage = await WholeStage.open({ weights, loss }, run, {
    ...{ hash, steps },
    batches: (from) => batchesFrom(scenes, { ...options, tokens: batch * localiser.patches }, from),
    async evaluate(store) {
      maskIou = await measured(metadata, store, heldOut);
      return { tasks: { maskIou } };
    },
  });
  fillByWidth(stage.store, sizes.imageLayers, seed);
  if (start !== undefined && !resumes) fillFrom(stage.store, localiserTensors(start));
  yield stage;
  await write(out, stage.store, { ...metadata, maskIou: maskIou ?? (await measured(metadata, stage.store, heldOut)) });
}

async function write(folder: string, store: ParameterStore, metadata: LocaliserFile): Promise<void> {
  await writeTensors(localiserTensors(folder), tensorsOf(store, "F16"));
  await writeJson(localiserJson(folder), metadata);
}

/** The mean overlap of a localiser's masks with objects, measured with the localiser's written file. */
async function measured(
  metadata: Omit<LocaliserFile, "maskIou">,
  store: ParameterStore,
  scenes: readonly RegionScene[],
): Promise<number> {
  const folder = await mkdtemp(path.join(tmpdir(), "modicum-localiser-"));
  try {
    await write(folder, store, { ...metadata, maskIou: 0 });
    return await measureMasks(folder, scenes);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/**
 * The batches of the steps from `from` on. Earlier batches' boxes are drawn as well, so that the random numbers match;
 * this reads each picture's size once.
 */
async function* batchesFrom(
  scenes: readonly RegionScene[],
  { seed, regions, sizes, tokens, ...options }: LocaliserOptions & { readonly tokens: number },
  from: number,
): AsyncGenerator<WholeBatch, never> {
  const { imageSize, patchSize, cells } = sizes;
  const shape = { imageSize, side: (imageSize / patchSize) * cells, cells, regions };
  const random = seededRandom(seed);
  const known = new Map<RegionScene, Pick<Pixels, "width" | "height">>();
  let queue: RegionScene[] = [];
  for (let step = 0; ; step++) {
    if (queue.length < options.batch) queue = [...queue, ...shuffle([...scenes], random)];
    const drawn = queue.splice(0, Math.min(options.batch, scenes.length));
    if (step >= from) {
      yield { inputs: await localiserBatch(drawn, shape, random), tokens, samples: drawn.length };
      continue;
    }
    for (const scene of drawn) {
      const { width, height } = known.get(scene) ?? (await readImage(scene, 0));
      known.set(scene, { width, height });
      drawBoxes(scene, { width, height }, regions, random);
    }
  }
}

/** Fills parameters from a file's tensors. @throws UserError if a tensor is missing or has another shape */
function fillFrom(store: ParameterStore, file: string): void {
  const tensors = withFile(file, parseHeader);
  for (const parameter of store.parameters) {
    const tensor = tensors.get(parameter.name);
    if (!tensor || tensor.shape.join() !== parameter.shape.join())
      throw new UserError(`${file}: expected a tensor "${parameter.name}" of shape [${parameter.shape.join(", ")}]`);
    store.valuesOf(parameter).set(readFloats(tensor));
  }
}

/** True for biases, which all projections have except the patch embedding. */
const biased = (name: string): boolean => /\.bias$/.test(name) && name !== "v.patch_embd.bias";

/** A store's parameters as tensors to write. */
export const tensorsOf = (store: ParameterStore, type?: "F16"): Map<string, WritableTensor> =>
  new Map(
    store.parameters.map((p) => [
      p.name,
      { shape: p.shape, ...(type && { type }), values: () => store.valuesOf(p).slice() },
    ]),
  );
