import path from "node:path";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Names } from "../../weights/prepared/names.ts";
import { type Quant, Weights } from "../../weights/prepared/weights.ts";
import { imageArchitecture, imageTextArchitecture, requireForm, visionArchitecture } from "../registry.ts";
import { without } from "../tensors/changed-checkpoints.ts";
import type { ImageText } from "./image-text.ts";
import type { Images } from "./images.ts";
import type { Vision } from "./vision.ts";

/** An encoder of images and texts, with the weights for its graphs. */
export interface OpenImageText {
  readonly model: ImageText;
  readonly weights: Weights;
}

/** Like `openDecoder`, for encoders of images and texts, which do not support adapters. */
export async function openImageText(
  checkpoint: Checkpoint,
  folder: string,
  quant: Quant = "auto",
): Promise<OpenImageText> {
  const architecture = await imageTextArchitecture(checkpoint);
  const weights = weightsOf(without(checkpoint, architecture.unread(checkpoint)), folder, quant, architecture);
  return { model: architecture.open(weights), weights };
}

/** An image-only encoder, with the weights for its graphs. */
export interface OpenImages {
  readonly model: Images;
  readonly weights: Weights;
}

/** Like `openImageText`, for image-only encoders; `side`: pixels per side of its images. */
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

/** The image encoder of a vision–language model, with the weights for its graph. */
export interface OpenVision {
  readonly vision: Vision;
  readonly weights: Weights;
}

/** Like `openImageText`, for the image encoder of a vision–language model. */
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
