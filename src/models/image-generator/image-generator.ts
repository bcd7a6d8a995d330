import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Names } from "../../weights/prepared/names.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import type { Encoder } from "../encoder/encoder.ts";
import type { Autoencoder } from "./autoencoder-kl.ts";
import type { ConsistencyConfig } from "./consistency-schedule.ts";
import type { NoiseConfig, SamplingConfig } from "./noise-schedule.ts";
import type { UNet } from "./unet.ts";

/** The parts around a network that draws what a text says, in a latent space. */
export interface PromptParts {
  /** The encoder of texts, whose hidden states the network attends to. */
  readonly texts: Encoder;
  /** From the network's images to pixels, and back. */
  readonly autoencoder: Autoencoder;
}

/** The output that a network was trained for: the noise in images, or images without noise, each in one step. */
export type Denoising =
  | { readonly kind: "noise"; readonly noise: NoiseConfig; readonly sampling: SamplingConfig }
  | { readonly kind: "consistency"; readonly noise: ConsistencyConfig };

/** A network with what it was trained to predict, and what tells it what to draw: classes or texts. */
export interface ImageGenerator {
  readonly unet: UNet;
  readonly denoising: Denoising;
  /** The names of the classes, by their number; empty for a network without. */
  readonly labels: readonly string[];
  /** The number of the vector that stands for no class; undefined if there is none. */
  readonly unconditional: number | undefined;
  /** Undefined for a network that draws pixels, of a class or of none. */
  readonly prompts?: PromptParts | undefined;
}

/** An architecture of image generators. */
export interface ImageGeneratorArchitecture {
  tensors(checkpoint: Checkpoint): Names;
  /** Tensors of parts that are not read. */
  unread(checkpoint: Checkpoint): string[];
  /** @throws UserError */
  open(weights: WeightSource): ImageGenerator;
}
