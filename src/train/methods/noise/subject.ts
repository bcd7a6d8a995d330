import { unet2d } from "../../../models/architectures/unet2d.ts";
import type { ImageGenerator } from "../../../models/image-generator/image-generator.ts";
import type { NoiseConfig } from "../../../models/image-generator/noise-schedule.ts";
import { storedShape, withFlatKernels } from "../../../models/tensors/changed-checkpoints.ts";
import { UserError } from "../../../util/errors.ts";
import { normals } from "../../../util/normals.ts";
import { seededRandom } from "../../../util/random.ts";
import type { Checkpoint } from "../../../weights/checkpoint.ts";
import { identity } from "../../../weights/prepared/names.ts";
import { Part } from "../../../weights/prepared/part.ts";
import { writeModel } from "../../checkpoint/model.ts";
import { sizesOf } from "../../data/batch.ts";
import { frozenBy, tensorsOf } from "../../freeze/frozen.ts";
import { TracedWeights } from "../../graphs/traced-weights.ts";
import type { TrainOptions } from "../../options.ts";
import { ParameterStore } from "../../step/parameters.ts";
import { trainedBy } from "../../subject/open-trainee.ts";
import type { OwnSubject } from "../../subject/own-subject.ts";
import { NoisePasses, noiseFlops, type TracedUNet, traceErrors } from "./noise-passes.ts";

/** A network that learns to predict noise, and the settings that turn images into its batches. */
export interface DrawingSubject extends OwnSubject {
  readonly model: ImageGenerator;
  readonly noise: NoiseConfig;
  readonly traced: TracedUNet;
  openPasses(): Promise<NoisePasses>;
}

/** The choice of a network's tensors to train: name patterns, and a mask file. */
export type Frozen = Pick<TrainOptions, "train" | "freezeMask">;

/** Builds a network from a checkpoint's configuration, without tensors, and initialises it as PyTorch does. */
export function newDrawing(checkpoint: Checkpoint, frozen: Frozen, seed: number): DrawingSubject {
  const subject = opened(checkpoint, frozen);
  fillUniformly(subject.store, seed);
  return subject;
}

/** Opens a checkpoint's network. @throws UserError */
export function oldDrawing(source: Checkpoint, frozen: Frozen): DrawingSubject {
  const checkpoint = withFlatKernels(source);
  const subject = opened(checkpoint, frozen);
  for (const parameter of subject.store.parameters)
    subject.store.valuesOf(parameter).set(new Part(checkpoint, identity, parameter.name, parameter.shape).floats());
  return subject;
}

/** The only image generator architecture that can be trained. */
const TRAINED = "UNet2DModel";

/** @throws UserError for a generator of another architecture */
function opened(checkpoint: Checkpoint, { train, freezeMask }: Frozen): DrawingSubject {
  const { config, architecture } = checkpoint;
  if (architecture !== TRAINED)
    throw new UserError(`${checkpoint.path}: a ${architecture} cannot be trained; expected a ${TRAINED}`);
  const weights = new TracedWeights(
    config,
    () => true,
    (name) => name,
  );
  const model = unet2d.open(weights);
  const { denoising } = model;
  if (denoising.kind !== "noise")
    throw new UserError(`${checkpoint.path}: a consistency model cannot be trained; expected a noise predictor`);
  const plain = { unet: model.unet, weights, trained: () => true };
  const joined = weights.inputsOf(traceErrors(plain));
  const wanted = trainedBy(
    train,
    joined.flatMap(({ sizes }) => Object.keys(sizes)),
  );
  const frozen = frozenBy({ freezeMask }, tensorsOf(joined, checkpoint, identity));
  const trained = (name: string) => wanted(name) && !frozen(name);
  const store = new ParameterStore(joined, trained);
  const traced = { ...plain, trained };
  return {
    ...{ model, noise: denoising.noise, traced, store, head: "noise" },
    openPasses: () => NoisePasses.create(traced, store),
    denseBackward() {
      const flops = noiseFlops(plain);
      return (batch) => flops(sizesOf(batch)).backward;
    },
    write: (folder) => writeDrawing(folder, config.kind === "gguf" ? {} : config.config, store),
    [Symbol.dispose]: () => store[Symbol.dispose](),
  };
}

const writeDrawing = (
  folder: string,
  config: Readonly<Record<string, unknown>>,
  store: ParameterStore,
): Promise<void> =>
  writeModel(folder, {
    ...{ config, names: identity },
    tensors: new Map(
      store.parameters.map((p) => [
        p.name,
        { shape: storedShape(p.name, p.shape), values: () => store.valuesOf(p).slice() },
      ]),
    ),
  });

/**
 * Initialises a network as PyTorch does: kernels, matrices and their biases uniform within ±1/√inputs, class vectors
 * normal, gains 1, norms' biases 0.
 */
function fillUniformly(store: ParameterStore, seed: number): void {
  const random = seededRandom(seed);
  const normal = normals(random);
  const inputs = new Map(store.parameters.map(({ name, shape }) => [name, shape.slice(1).reduce((a, b) => a * b, 1)]));
  for (const parameter of store.parameters) {
    const { name } = parameter;
    const values = store.valuesOf(parameter);
    const isNorm = /norm\w*\.(weight|bias)$/.test(name);
    if (isNorm) values.fill(name.endsWith("weight") ? 1 : 0);
    else if (name === "class_embedding.weight") for (let i = 0; i < values.length; i++) values[i] = normal();
    else {
      const bound = 1 / Math.sqrt(inputs.get(name.replace(/bias$/, "weight"))!);
      for (let i = 0; i < values.length; i++) values[i] = bound * (2 * random() - 1);
    }
  }
}
