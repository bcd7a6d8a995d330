import { few, UserError } from "../../util/errors.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Names } from "../../weights/prepared/names.ts";
import { Part } from "../../weights/prepared/part.ts";
import type { TrainOptions } from "../options.ts";
import type { JoinedTensors } from "../step/parameters.ts";
import { checkMask, type ModelTensor, readMask } from "./mask-file.ts";

/** A checkpoint's tensors as a model requests them, without duplicates and without new tensors. */
export function tensorsOf(
  joined: readonly JoinedTensors[],
  checkpoint: Checkpoint,
  names: Names,
  isNew: (name: string) => boolean = () => false,
): ModelTensor[] {
  const all = joined.flatMap(({ sizes, inner }) =>
    Object.entries(sizes).map(([name, size]) => [name, [size, ...inner]] as const),
  );
  return [...new Map(all)]
    .filter(([name]) => !isNew(name))
    .map(([name, shape]) => ({ name, shape, values: () => new Part(checkpoint, names, name, shape).floats() }));
}

export const nothingFrozen = (): boolean => false;

/**
 * Returns which tensors the options' mask freezes, after checking that the mask belongs to the model.
 * @throws UserError if the mask is for a different model, or freezes everything
 */
export function frozenBy(
  { freezeMask: file }: Pick<TrainOptions, "freezeMask">,
  tensors: readonly ModelTensor[],
): (name: string) => boolean {
  if (file === undefined) return nothingFrozen;
  const mask = readMask(file);
  checkMask(file, mask, tensors);
  if (Object.values(mask.tensors).every(({ frozen }) => frozen))
    throw new UserError(`${file}: the mask freezes every tensor; nothing is left to train`);
  // A new head is in no mask, and so it is not frozen.
  return (name) => mask.tensors[name]?.frozen ?? false;
}

/** Rejects adapters on frozen matrices. @throws UserError */
export function refuseOnFrozen(adapted: readonly string[], frozen: (name: string) => boolean): void {
  const refused = adapted.filter((name) => frozen(`${name}.weight`));
  if (refused.length > 0)
    throw new UserError(
      `lora: the mask freezes ${few(refused)}, but an adapter would change the effect of these matrices`,
      2,
    );
}
