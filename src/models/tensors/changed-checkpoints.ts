import type { Checkpoint, StoredTensor } from "../../weights/checkpoint.ts";

/** The checkpoint without its `unread` tensors. */
export function without(checkpoint: Checkpoint, unread: readonly string[]): Checkpoint {
  const tensors = new Map(checkpoint.tensors);
  for (const name of unread) tensors.delete(name);
  return { ...checkpoint, tensors };
}

/** A checkpoint whose kernels [outputs, inputs, side, side] become matrices [outputs, inputs · side · side]. */
export function withFlatKernels(checkpoint: Checkpoint): Checkpoint {
  const flat = ({ shape }: StoredTensor) =>
    shape.length === 4 ? [shape[0]!, shape[1]! * shape[2]! * shape[3]!] : shape;
  const tensors = [...checkpoint.tensors].map(([name, tensor]) => [name, { ...tensor, shape: flat(tensor) }] as const);
  return { ...checkpoint, tensors: new Map(tensors) };
}

/** A tensor's shape as diffusers stores it: the inverse of `withFlatKernels`. */
export function storedShape(name: string, shape: readonly number[]): readonly number[] {
  if (shape.length !== 2 || !/(^|[._])conv(_in|_out|_shortcut|1|2)?\.weight$/.test(name)) return shape;
  const side = name.endsWith("conv_shortcut.weight") ? 1 : 3;
  return [shape[0]!, shape[1]! / side ** 2, side, side];
}
