import type { Tensor } from "../../../graph/index.ts";

/** Adds exit weights to a graph by their names in the artefact, f32 of `shape`: constants for inference, inputs for training. */
export type WeightsOf = (name: string, shape: readonly number[]) => Tensor;
