import type { Tensor } from "../../../graph/index.ts";

/**
 * Gives a graph the weights of exits by their names in the artefact, f32 of `shape`: constants when a model answers,
 * inputs when they are trained.
 */
export type WeightsOf = (name: string, shape: readonly number[]) => Tensor;
