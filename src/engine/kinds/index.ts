import { unsupported } from "../../models/registry.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import { decoderKind } from "./decoder.ts";
import { diffusionKind } from "./diffusion.ts";
import { encoderKind } from "./encoder.ts";
import { encoderDecoderKind } from "./encoder-decoder.ts";
import { imageEncoderKind } from "./image-encoder.ts";
import { imageGeneratorKind } from "./image-generator.ts";
import { imageTextKind } from "./image-text.ts";

/** Every kind of model that runs: one line each. */
export const kinds = [
  decoderKind,
  diffusionKind,
  encoderKind,
  encoderDecoderKind,
  imageTextKind,
  imageEncoderKind,
  imageGeneratorKind,
] as const;

export type AnyKind = (typeof kinds)[number];
export type KindName = AnyKind["name"];
/** A loaded model of any kind; `kind` tells which. */
export type LoadedModel = Awaited<ReturnType<AnyKind["open"]>>;

/** The kind of a checkpoint. @throws UserError if it has none */
export function kindOf(checkpoint: Checkpoint): AnyKind {
  const kind = kinds.find(({ matches }) => matches(checkpoint));
  if (kind) return kind;
  throw unsupported(checkpoint);
}
