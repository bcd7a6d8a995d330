import { readClassifier } from "../../engine/encoders/text/classifier.ts";
import type { Pooling } from "../../graph/index.ts";
import type { Encoder } from "../../models/encoder/encoder.ts";
import { decoderArchitecture, encoderArchitecture, isOfKind } from "../../models/registry.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import { Part } from "../../weights/prepared/part.ts";
import { classes } from "../heads/classes.ts";
import { embedding } from "../heads/embedding.ts";
import type { TextHeadKind } from "../heads/settings.ts";
import { EncoderStack } from "./encoder-stack.ts";
import type { Trainee } from "./graphs.ts";
import { TracedWeights } from "./traced-weights.ts";

/** An encoder with a head over whole texts. */
export function textModelOf(
  encoder: Encoder,
  head: TextHeadKind,
  pooling: Pooling,
): Pick<Trainee, "stack" | "objective"> {
  const stack = new EncoderStack(encoder);
  switch (head) {
    case "classes":
      return { stack, objective: classes(encoder) };
    case "embedding":
      return { stack, objective: embedding(encoder, pooling) };
  }
}

/** True for tensors in the checkpoint, by canonical name. */
export async function hasTensor(checkpoint: Checkpoint): Promise<(name: string) => boolean> {
  const names = (await encoderArchitecture(checkpoint)).tensors(checkpoint);
  return (name) => new Part(checkpoint, names, name).exists;
}

/** Opens a checkpoint's encoder. */
export const encoderOf = async (checkpoint: Checkpoint): Promise<Encoder> =>
  (await encoderArchitecture(checkpoint)).open(new TracedWeights(checkpoint.config, await hasTensor(checkpoint)));

/** A classifier's labels; empty for models without a classifier. @throws UserError for models other than encoders */
export async function labelsOf(checkpoint: Checkpoint): Promise<readonly string[]> {
  const { classifier, labels } = (await encoderOf(checkpoint)).config;
  const classifies = (await hasTensor(checkpoint))(`${classifier.output}.weight`);
  return classifies ? readClassifier(checkpoint.config, labels).labels : [];
}

/** The tokens that a trainable model reads. @throws UserError if its architecture cannot be trained */
export const vocabularyOf = async (checkpoint: Checkpoint): Promise<number> =>
  isOfKind("encoder", checkpoint)
    ? (await encoderOf(checkpoint)).config.vocabulary
    : (await decoderArchitecture(checkpoint)).configure(checkpoint.config).vocabulary;
