import type { ImageGenerator } from "../../../models/image-generator/image-generator.ts";
import { isOfKind } from "../../../models/registry.ts";
import { few, suggest, UserError } from "../../../util/errors.ts";
import type { Checkpoint } from "../../../weights/checkpoint.ts";
import { type RunData, sharedOut } from "../../data/open.ts";
import { refuseSave } from "../../graphs/saving-masks.ts";
import { shareOf, type TrainOptions } from "../../options.ts";
import { batchStages, checkRun } from "../../session/batch-stage.ts";
import type { OpenTerms, Stage } from "../../session/stage.ts";
import { bare } from "../../subject/subject.ts";
import { methodName } from "../method.ts";
import { type ClassedImage, noisyBatches } from "./batches.ts";
import { type LabelledImage, readLabelledImages } from "./images.ts";
import { type DrawingSubject, newDrawing, oldDrawing } from "./subject.ts";

/** The checkpoint of the image generator to train, without tensors if it is new; undefined for other models. */
export function generatorOf({ architecture }: TrainOptions, base: Checkpoint | undefined): Checkpoint | undefined {
  const checkpoint = base ?? (architecture && newCheckpoint(architecture));
  return checkpoint && isOfKind("image generator", checkpoint) ? checkpoint : undefined;
}

/** A new network's checkpoint; diffusers stores a class name instead of a `model_type`. */
function newCheckpoint(config: Readonly<Record<string, unknown>>): Checkpoint {
  const named = bare({ model_type: String(config["_class_name"]) });
  return { ...named, config: { kind: "huggingface", path: "architecture", config } };
}

/** The name of an option that does not apply to images, if one is set. */
function otherOf({ precision, recompute, packing, method, ...others }: TrainOptions): string | undefined {
  if (precision !== "fp32") return "precision";
  if (recompute || packing) return recompute ? "recompute" : "packing";
  if (method !== undefined && methodName(method) !== "noise") return "method";
  return (["save", "lora", "head", "upcycle", "freeze"] as const).find((name) => others[name] !== undefined);
}

/** Trains an image generator in a single stage. @throws UserError */
export async function* drawingStages(run: OpenTerms): AsyncGenerator<Stage, void> {
  const { options, openBase } = run;
  const base = options.model === undefined ? undefined : await openBase(options.model);
  const generator = generatorOf(options, base?.checkpoint);
  if (!generator)
    throw new UserError("method: noise trains image generators; expected an image generator as the model", 2);
  refuseSave(options, "an image generator");
  const opened = await openDrawing(options, generator);
  checkRun(options, opened.subject, opened.data);
  yield* batchStages({ ...opened, tokenizer: undefined }, run, undefined);
}

/** Opens an image generator and its data for training. @throws UserError */
export async function openDrawing(
  options: TrainOptions,
  checkpoint: Checkpoint,
): Promise<{ subject: DrawingSubject; data: RunData }> {
  const other = otherOf(options);
  if (other !== undefined)
    throw new UserError(`${other}: not supported in training an image generator; omit ${other}`, 2);
  const isNew = checkpoint.tensors.size === 0;
  const subject = isNew ? newDrawing(checkpoint, options, options.seed) : oldDrawing(checkpoint, options);
  try {
    return { subject, data: await dataOf(options, subject) };
  } catch (error) {
    subject[Symbol.dispose]();
    throw error;
  }
}

async function dataOf(
  { data, batch, seed, ...options }: TrainOptions,
  { model, noise }: DrawingSubject,
): Promise<RunData> {
  const { images, hash } = await readLabelledImages(data, model.unet.config);
  const [training, heldOut] = sharedOut(classed(images, model), shareOf(options));
  const terms = { size: batch, noise, unconditional: model.unconditional };
  return {
    hash,
    training: noisyBatches(training, { ...terms, seed }),
    heldOut: heldOut.length > 0 ? noisyBatches(heldOut, { ...terms, seed: undefined }) : undefined,
  };
}

/** Adds class indices to images. @throws UserError for a label that the network does not have */
export function classed(
  images: readonly LabelledImage[],
  { unet, labels, unconditional }: ImageGenerator,
): ClassedImage[] {
  if (unet.config.classes === 0) return images.map(({ pixels }) => ({ pixels, row: undefined }));
  return images.map(({ pixels, label, where }) => {
    const row = label === undefined ? unconditional : labels.indexOf(label);
    if (row !== undefined && row >= 0) return { pixels, row };
    const got = label === undefined ? "an image without a label" : `"${label}"${suggest(label, labels)}`;
    throw new UserError(`${where}: label: expected one of ${few(labels)}, got ${got}`);
  });
}
