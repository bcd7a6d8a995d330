import { isOfKind } from "../../../models/registry.ts";
import { UserError } from "../../../util/errors.ts";
import type { Checkpoint } from "../../../weights/checkpoint.ts";
import { hashOf } from "../../data/files.ts";
import { type FreezeMask, maskOf } from "../../freeze/mask-file.ts";
import { tensorsIn } from "../../freeze/tensors.ts";
import { readLabelledImages } from "../noise/images.ts";
import { classed } from "../noise/open-drawing.ts";
import { oldDrawing } from "../noise/subject.ts";
import { type GuardTerms, type LearnedShares, learnShares } from "./learn.ts";
import type { GuardOptions } from "./options.ts";

/** A learned mask, with what learning cost. */
export interface Guard extends Omit<LearnedShares, "shares"> {
  readonly mask: FreezeMask;
}

/** Learns which tensors of an image generator to freeze. @throws UserError for another model, or images that are none of its */
export async function learnGuard(
  options: GuardOptions,
  checkpoint: Checkpoint,
  terms: GuardTerms = {},
): Promise<Guard> {
  if (!isOfKind("image generator", checkpoint))
    throw new UserError(`model: ${options.model} draws no images; expected an image generator, such as digits-tiny`, 2);
  using published = oldDrawing(checkpoint, { train: [], freezeMask: undefined });
  const { model } = published;
  const [illegal, innocent] = [
    await readLabelledImages(options.illegal, model.unet.config),
    await readLabelledImages(options.innocent, model.unet.config),
  ];
  const sides = { illegal: classed(illegal.images, model), innocent: classed(innocent.images, model) };
  const { shares, ...found } = await learnShares(checkpoint, sides, options, terms);
  const frozen = frozenOf(shares, options);
  const learned = { options, data: hashOf([illegal.hash, innocent.hash]), shares };
  return { mask: maskOf(options.model, tensorsIn(published.store), (name) => frozen.has(name), learned), ...found };
}

/** Tensors whose share is above one half, or exactly as many as the ratio says, those with the greatest shares. */
export function frozenOf(
  shares: ReadonlyMap<string, number>,
  { exactRatio, freezeRatio }: Pick<GuardOptions, "exactRatio" | "freezeRatio">,
): ReadonlySet<string> {
  const sorted = [...shares].toSorted(([, a], [, b]) => b - a);
  const kept = exactRatio
    ? sorted.slice(0, Math.ceil(freezeRatio * sorted.length))
    : sorted.filter(([, share]) => share > 0.5);
  return new Set(kept.map(([name]) => name));
}
