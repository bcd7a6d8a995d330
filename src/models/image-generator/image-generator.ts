import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Names } from "../../weights/prepared/names.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import type { Encoder } from "../encoder/encoder.ts";
import type { Autoencoder } from "./autoencoder-kl.ts";
import type { ConsistencyConfig } from "./consistency-schedule.ts";
import type { NoiseConfig, SamplingConfig } from "./noise-schedule.ts";
import type { UNet } from "./unet.ts";

/** The parts around a network that draws images from texts in a latent space. */
export interface PromptParts {
  /** The text encoder, whose hidden states the network attends to. */
  readonly texts: Encoder;
  /** Converts the network's images to pixels, and back. */
  readonly autoencoder: Autoencoder;
}

/** A network's training target: the noise in images, or denoised images, each in one step. */
export type Denoising =
  | { readonly kind: "noise"; readonly noise: NoiseConfig; readonly sampling: SamplingConfig }
  | { readonly kind: "consistency"; readonly noise: ConsistencyConfig };

/** A network with its training target and its condition: classes or texts. */
export interface ImageGenerator {
  readonly unet: UNet;
  readonly denoising: Denoising;
  /** The names of the classes, by index; empty for a network without classes. */
  readonly labels: readonly string[];
  /** The index of the vector that means no class; undefined without such a vector. */
  readonly unconditional: number | undefined;
  /** Undefined for a network that draws pixels, whether or not it takes a class. */
  readonly prompts?: PromptParts | undefined;
}

/** An architecture of image generators. */
export interface ImageGeneratorArchitecture {
  tensors(checkpoint: Checkpoint): Names;
  /** Tensors of unused parts. */
  unread(checkpoint: Checkpoint): string[];
  /** Opens an image generator. @throws UserError if it is not supported */
  open(weights: WeightSource): ImageGenerator;
}
