import { evalDim } from "../../graph/index.ts";
import { sizeInBytes } from "../../graph/tensor.ts";
import { memoryLimit } from "../../weights/prepared/memory.ts";
import { layersOf, type Trainee, traceLayerPasses } from "../graphs/graphs.ts";
import type { Shape } from "../graphs/stack.ts";
import type { TrainOptions } from "../options.ts";
import type { ParameterStore } from "./parameters.ts";
import { firstTrained } from "./passes.ts";

/** The maximum share of memory for intermediate results and parameters; programs and data need the rest. */
const SHARE = 0.5;

/** The number of extra buffers per trained parameter: one for its gradient, two for AdamW's moments. */
const STATES = 3;

/** True to recompute layers in the backward pass; with `auto`, if their stored results would not fit in memory. */
export function recomputes(
  option: TrainOptions["recompute"],
  { trainee, store }: { readonly trainee: Trainee; readonly store: ParameterStore },
  shape: Shape,
  limit = memoryLimit(),
): boolean {
  if (option !== "auto") return option;
  const parameters = store.values.bytes + STATES * store.gradients.bytes;
  return parameters + productBytes(trainee, shape) > SHARE * limit;
}

/** The size in bytes of the layers' results that a step stores for its backward pass. */
export function productBytes(trainee: Trainee, shape: Shape): number {
  const first = firstTrained(trainee);
  const { rows, tokens } = shape;
  const sizes = { batch: rows, tokens, kept: rows * tokens };
  return layersOf(trainee)
    .filter((layer) => layer >= first)
    .flatMap((layer) =>
      Object.values(traceLayerPasses(trainee, layer, shape, { before: layer > first, recompute: false }).kept),
    )
    .reduce((sum, tensor) => sum + evalDim(sizeInBytes(tensor), sizes), 0);
}
