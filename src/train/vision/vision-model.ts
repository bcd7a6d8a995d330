import type { SquareVision } from "../../models/images/vision.ts";
import { decoderArchitecture, isOfKind, visionArchitecture } from "../../models/registry.ts";
import { UserError } from "../../util/errors.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import { languageModelOf } from "../graphs/decoder-stack.ts";
import type { Trainee } from "../graphs/graphs.ts";
import { savingMasks } from "../graphs/saving-masks.ts";
import { TracedWeights } from "../graphs/traced-weights.ts";
import { withoutLayer } from "../graphs/trainable.ts";
import { visionLanguageModelOf } from "./vision-stack.ts";

/** True for a decoder that is trained on images: one that also loads as text alone is trained on texts. */
export const seesImages = (checkpoint: Checkpoint): boolean =>
  isOfKind("vision–language model", checkpoint) && !isOfKind("decoder", checkpoint);

/**
 * A decoder, with the part that reads images if it has one, as a language model; `has` says which optional tensors
 * there are, `save` the saving that is active.
 * @throws UserError
 */
export async function modelOf(
  checkpoint: Checkpoint,
  has: (name: string) => boolean,
  save?: string,
): Promise<Pick<Trainee, "stack" | "objective"> & { readonly weights: TracedWeights }> {
  const weights = new TracedWeights(checkpoint.config, has, inputName);
  const decoder = (await decoderArchitecture(checkpoint)).open(weights);
  const saving = savingMasks(save, decoder);
  if (!seesImages(checkpoint)) return { ...languageModelOf(decoder, saving), weights };
  return { ...visionLanguageModelOf(decoder, await trainedVision(checkpoint, weights), saving), weights };
}

/** The part that reads images, which is trained if it reads each as one picture. @throws UserError */
export async function trainedVision(checkpoint: Checkpoint, weights: WeightSource): Promise<SquareVision> {
  const vision = (await visionArchitecture(checkpoint)).vision(weights);
  if (vision.pictures === "one") return vision;
  throw new UserError(`${checkpoint.path}: a ${checkpoint.architecture} is not trained; expected a llava`, 2);
}

/** True for the optional tensors that a new model's part that reads images has. */
export async function newVisionTensors(checkpoint: Checkpoint): Promise<(name: string) => boolean> {
  if (!seesImages(checkpoint)) return () => false;
  const { hasNewTensor } = await visionArchitecture(checkpoint);
  return (name) => hasNewTensor(checkpoint.config, name);
}

/** One graph has all layers of the encoder of images: its inputs keep the layers' numbers. */
const inputName = (name: string): string => (name.startsWith("v.") ? name : withoutLayer(name));
