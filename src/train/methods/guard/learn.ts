import { isOfKind } from "../../../models/registry.ts";
import { UserError } from "../../../util/errors.ts";
import type { Checkpoint } from "../../../weights/checkpoint.ts";
import { hashOf } from "../../data/files.ts";
import { type FreezeMask, maskOf } from "../../freeze/mask-file.ts";
import { tensorsIn } from "../../freeze/tensors.ts";
import { trainOptions } from "../../options.ts";
import { BatchStage } from "../../session/batch-stage.ts";
import type { Stage } from "../../session/stage.ts";
import { type ClassedImage, noisyBatches } from "../noise/batches.ts";
import { readLabelledImages } from "../noise/images.ts";
import type { NoisePasses } from "../noise/noise-passes.ts";
import { classed } from "../noise/open-drawing.ts";
import { type DrawingSubject, oldDrawing } from "../noise/subject.ts";
import { MaskStage, type MaskTerms, type Sides, valuesOf } from "./mask-stage.ts";
import type { GuardOptions } from "./options.ts";
import { type Gaps, PAPER } from "./upper-loss.ts";

export type GuardTerms = Pick<MaskTerms, "onStep">;

/**
 * Learns which tensors of an image generator to freeze. @throws UserError for any other model, or images of another
 * size
 */
export async function* guardStages(
  options: GuardOptions,
  checkpoint: Checkpoint,
  terms: GuardTerms = {},
): AsyncGenerator<Stage, FreezeMask, void> {
  if (!isOfKind("image generator", checkpoint))
    throw new UserError(`model: ${options.model} generates no images; expected a generator such as digits-tiny`, 2);
  using published = oldDrawing(checkpoint, { train: [], freezeMask: undefined });
  const { model } = published;
  const [illegal, innocent] = [
    await readLabelledImages(options.illegal, model.unet.config),
    await readLabelledImages(options.innocent, model.unet.config),
  ];
  const sides = { illegal: classed(illegal.images, model), innocent: classed(innocent.images, model) };
  const data = hashOf([illegal.hash, innocent.hash]);
  const { shares } = yield* shareStages(checkpoint, sides, options, { ...terms, hash: data });
  const frozen = frozenOf(shares, options);
  return maskOf(options.model, tensorsIn(published.store), (name) => frozen.has(name), { options, data, shares });
}

/**
 * The tensors with a share above one half. With `exactRatio`, the tensors with the greatest shares instead: a fraction
 * `freezeRatio` of all tensors.
 */
export function frozenOf(
  shares: ReadonlyMap<string, number>,
  { exactRatio, freezeRatio }: Pick<GuardOptions, "exactRatio" | "freezeRatio">,
): ReadonlySet<string> {
  const sorted = [...shares].toSorted(([, a], [, b]) => b - a);
  const chosen = exactRatio
    ? sorted.slice(0, Math.ceil(freezeRatio * sorted.length))
    : sorted.filter(([, share]) => share > 0.5);
  return new Set(chosen.map(([name]) => name));
}

/** A learned mask: each tensor's share m. */
export interface LearnedShares {
  readonly shares: ReadonlyMap<string, number>;
  readonly gaps: Gaps;
}

/** Learns a published model's mask: relearning, then alternating steps of the publisher and the user. */
export async function* shareStages(
  checkpoint: Checkpoint,
  sides: Sides,
  options: GuardOptions,
  terms: GuardTerms & { readonly hash: string },
): AsyncGenerator<Stage, LearnedShares, void> {
  const subject = oldDrawing(checkpoint, { train: [], freezeMask: undefined });
  const published = valuesOf(subject.store).slice();
  using relearning = await openRelearning(subject, sides, options, terms.hash);
  yield relearning;
  using passes = await subject.openPasses();
  const gaps = options.upperLoss === "paper" ? PAPER : await gapsOf(subject, passes, sides, published, options);
  using masks = new MaskStage(subject, published, passes, { ...terms, sides, gaps, options });
  yield masks;
  return { shares: masks.shares, gaps };
}

/** Opens the stage that fine-tunes on both sides' images. The stage owns the subject. */
async function openRelearning(
  subject: DrawingSubject,
  { illegal, innocent }: Sides,
  { model, batch, seed, relearnSteps, relearnLr }: GuardOptions,
  hash: string,
): Promise<BatchStage> {
  const { noise } = subject;
  const { unconditional } = subject.model;
  const training = noisyBatches([...illegal, ...innocent], { size: batch, noise, unconditional, seed });
  const options = trainOptions.parse({
    ...{ model, data: ["both"], batch, seed, steps: relearnSteps },
    optimizer: { lr: relearnLr, weightDecay: 0, beta2: 0.999 },
    schedule: { name: "constant" },
  });
  return BatchStage.open(options, subject, { training, heldOut: undefined, hash }, { name: "relearn" });
}

/**
 * The gain of relearning on each side: the published model's mean error minus the relearned model's, on equal noise.
 */
async function gapsOf(
  subject: DrawingSubject,
  passes: NoisePasses,
  { illegal, innocent }: Sides,
  published: Float32Array,
  { batch }: GuardOptions,
): Promise<Gaps> {
  const errors = async () => ({
    illegal: await meanError(passes, subject, illegal, batch),
    innocent: await meanError(passes, subject, innocent, batch),
  });
  const after = await errors();
  const values = valuesOf(subject.store);
  const relearned = values.slice();
  values.set(published);
  const before = await errors();
  values.set(relearned);
  // The minimum avoids division by 0 if relearning gained nothing.
  const gap = (side: keyof Gaps) => Math.max(before[side] - after[side], 1e-3);
  return { illegal: gap("illegal"), innocent: gap("innocent") };
}

/** The mean error on images, each with fixed noise. */
export async function meanError(
  passes: NoisePasses,
  { noise }: Pick<DrawingSubject, "noise">,
  images: readonly ClassedImage[],
  size: number,
): Promise<number> {
  const data = noisyBatches(images, { size, noise, unconditional: undefined, seed: undefined });
  let [sum, count] = [0, 0];
  for (let i = 0; i < data.batches; i++) {
    const errors = await passes.errors(data.batch(i).drawings!);
    sum += errors.reduce((a, b) => a + b, 0);
    count += errors.length;
  }
  return sum / count;
}
