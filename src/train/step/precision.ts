import { type PrecisionPolicy, roundTo } from "../../graph/index.ts";

/** The first factor of a loss in fp16, as PyTorch's GradScaler has it: without it small gradients become 0. */
const FIRST_SCALE = 2 ** 16;

/** The factor of the loss, which halves with each step that was skipped since its gradient had overflowed. */
export const lossScale = (precision: PrecisionPolicy, skipped: number): number =>
  precision === "amp-fp16" ? FIRST_SCALE / 2 ** skipped : 1;

/** Rounds weights after an update if no float32 copy of them is held. */
export function holdWeights(values: Float32Array, precision: PrecisionPolicy): void {
  if (precision !== "pure-bf16") return;
  for (let i = 0; i < values.length; i++) values[i] = roundTo(values[i]!, "bf16");
}
