import path from "node:path";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Names } from "../../weights/prepared/names.ts";
import { type Quant, Weights } from "../../weights/prepared/weights.ts";
import { imageArchitecture, imageTextArchitecture, requireForm, visionArchitecture } from "../registry.ts";
import { without } from "../tensors/changed-checkpoints.ts";
import type { ImageText } from "./image-text.ts";
import type { Images } from "./images.ts";
import type { Vision } from "./vision.ts";

/** An encoder of images and texts, and the weights that its graphs are traced with. */
export interface OpenImageText {
  readonly model: ImageText;
  readonly weights: Weights;
}

/** Like `openDecoder`, for encoders of images and texts, which take no adapter. */
export async function openImageText(
  checkpoint: Checkpoint,
  folder: string,
  quant: Quant = "auto",
): Promise<OpenImageText> {
  const architecture = await imageTextArchitecture(checkpoint);
  const weights = weightsOf(without(checkpoint, architecture.unread(checkpoint)), folder, quant, architecture);
  return { model: architecture.open(weights), weights };
}

/** An encoder of images alone, and the weights that its graphs are traced with. */
export interface OpenImages {
  readonly model: Images;
  readonly weights: Weights;
}

/** Like `openImageText`, for encoders of images alone; `side`: pixels of the images that it reads. */
export async function openImages(
  checkpoint: Checkpoint,
  folder: string,
  quant: Quant = "auto",
  side?: number,
): Promise<OpenImages> {
  const architecture = await imageArchitecture(checkpoint);
  const weights = weightsOf(without(checkpoint, architecture.unread(checkpoint)), folder, quant, architecture);
  return { model: architecture.open(weights, side), weights };
}

/** The part of a vision–language model that reads images, and the weights that its graph is traced with. */
export interface OpenVision {
  readonly vision: Vision;
  readonly weights: Weights;
}

/** Like `openImageText`, for the part of a vision–language model that reads images. */
export async function openVision(checkpoint: Checkpoint, folder: string, quant: Quant = "auto"): Promise<OpenVision> {
  const architecture = await visionArchitecture(checkpoint);
  const used = without(checkpoint, architecture.unreadVision(checkpoint));
  const weights = weightsOf(used, path.join(folder, "vision"), quant, architecture);
  return { vision: architecture.vision(weights), weights };
}

function weightsOf(
  used: Checkpoint,
  folder: string,
  quant: Quant,
  { tensors }: { tensors(checkpoint: Checkpoint): Names },
): Weights {
  requireForm(quant, used);
  return new Weights(used, folder, quant, tensors(used));
}
