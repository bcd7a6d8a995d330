import { type PrecisionPolicy, roundTo } from "../../graph/index.ts";

/** The initial loss scale for fp16, as in PyTorch's GradScaler; without it, small gradients would underflow. */
const FIRST_SCALE = 2 ** 16;

/** The loss scale; each step that is skipped because of an overflow halves it. */
export const lossScale = (precision: PrecisionPolicy, skipped: number): number =>
  precision === "amp-fp16" ? FIRST_SCALE / 2 ** skipped : 1;

/** Rounds weights after an update if the precision has no float32 copy. */
export function holdWeights(values: Float32Array, precision: PrecisionPolicy): void {
  if (precision !== "pure-bf16") return;
  for (let i = 0; i < values.length; i++) values[i] = roundTo(values[i]!, "bf16");
}
