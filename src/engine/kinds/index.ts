import { existsSync } from "node:fs";
import path from "node:path";
import type { ArchitectureKind } from "../../models/architectures/index.ts";
import { isOfKind, seesBothWays, unsupported } from "../../models/registry.ts";
import type { Device } from "../../runtime/device.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import { MissingWeights } from "../../weights/model-fault.ts";
import type { BaseModel, Kind } from "./kind.ts";

/** A kind whose code is not loaded yet. */
interface KindEntry<N extends string, M extends BaseModel> {
  readonly name: N;
  /** Supported devices other than the CPU. */
  readonly devices?: readonly Device[];
  /** True if a checkpoint is of this kind. At most one kind matches. */
  matches(checkpoint: Checkpoint): boolean;
  load(): Promise<Kind<M>>;
}

/** A kind of model that matches checkpoints whose architecture is listed under its name. */
const kind = <N extends ArchitectureKind, M extends BaseModel & { kind: N }>(
  name: N,
  load: () => Promise<Kind<M>>,
): KindEntry<N, M> => ({ name, matches: (checkpoint) => isOfKind(name, checkpoint), load });

const decoders = kind("decoder", async () => (await import("./decoder.ts")).decoderKind);

const encoders = kind("encoder", async () => (await import("./encoder.ts")).encoderKind);

/**
 * True if a decoder's checkpoint is published for embedding texts: it has sentence-transformers' files beside it, or a
 * GGUF's pooling.
 */
const embeds = (checkpoint: Checkpoint): boolean => {
  const { architecture, config } = checkpoint;
  if (!decoders.matches(checkpoint)) return false;
  if (seesBothWays(checkpoint)) return true;
  if (config.kind === "gguf") return pools(config.metadata.get(`${architecture}.pooling_type`));
  return existsSync(path.join(path.dirname(config.path), "modules.json"));
};

/** True for the mean, the first or the last token (`llama_pooling_type` in llama.h). */
const pools = (type: unknown): boolean => type === 1 || type === 2 || type === 3;

/** Every supported kind of model, one per line. */
export const kinds = [
  {
    ...decoders,
    devices: ["webgpu"],
    // A decoder may also read images.
    matches: (checkpoint: Checkpoint) =>
      (decoders.matches(checkpoint) && !embeds(checkpoint)) || isOfKind("vision–language model", checkpoint),
  },
  kind("diffusion language model", async () => (await import("./diffusion.ts")).diffusionKind),
  { ...encoders, matches: (checkpoint: Checkpoint) => encoders.matches(checkpoint) || embeds(checkpoint) },
  kind("encoder with a decoder", async () => (await import("./encoder-decoder.ts")).encoderDecoderKind),
  kind("encoder of images and texts", async () => (await import("./image-text.ts")).imageTextKind),
  kind("image encoder", async () => (await import("./image-encoder.ts")).imageEncoderKind),
  kind("image generator", async () => (await import("./image-generator.ts")).imageGeneratorKind),
] as const satisfies readonly KindEntry<string, BaseModel>[];

type AnyKind = (typeof kinds)[number];
export type KindName = AnyKind["name"];
/** A loaded model of any kind; `kind` tells which. */
export type LoadedModel = Awaited<ReturnType<Awaited<ReturnType<AnyKind["load"]>>["open"]>>;

/** Opens a model's files. @throws UserError; an unknown architecture is reported before missing weights */
export async function judged<T>(open: () => T | Promise<T>): Promise<T> {
  try {
    return await open();
  } catch (error) {
    if (!(error instanceof MissingWeights)) throw error;
    const { message, checkpoint } = error;
    await kindOf(checkpoint);
    throw new MissingWeights(`${message}; its architecture, "${checkpoint.architecture}", is supported`, checkpoint);
  }
}

/** The kind of a checkpoint; undefined if it is unknown. */
export const knownKind = (checkpoint: Checkpoint): KindEntry<KindName, LoadedModel> | undefined =>
  kinds.find(({ matches }) => matches(checkpoint));

/** The kind of a checkpoint. @throws UserError that names the nearest architecture, if the kind is unknown */
export async function kindOf(checkpoint: Checkpoint): Promise<KindEntry<KindName, LoadedModel>> {
  const found = knownKind(checkpoint);
  if (found) return found;
  throw await unsupported(checkpoint);
}
