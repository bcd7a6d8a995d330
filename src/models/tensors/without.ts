import type { Checkpoint } from "../../weights/checkpoint.ts";

/** A checkpoint without some of its tensors. */
export function without(checkpoint: Checkpoint, unread: readonly string[]): Checkpoint {
  const tensors = new Map(checkpoint.tensors);
  for (const name of unread) tensors.delete(name);
  return { ...checkpoint, tensors };
}
