import type { ConstantData, Graph, Tensor } from "../../graph/index.ts";
import type { Sizes, WeightSource } from "../../weights/weight-source.ts";

/** A graph input bound to concatenated parameters, with a canonical name. */
export interface WeightInput {
  /** The input's name, the same in every layer. */
  readonly input: string;
  readonly tensor: Tensor;
  /** The size of each tensor's outermost dimension, by canonical name. */
  readonly sizes: Sizes;
  /** The remaining dimensions, which all tensors share. */
  readonly inner: readonly number[];
}

/** A graph input bound to weights in a file that are not trained. */
export interface FrozenInput {
  readonly input: string;
  readonly tensor: Tensor;
  readonly data: Extract<ConstantData, { kind: "file" }>;
}

/**
 * Weights as graph inputs, named without their layer, so that one program serves all layers with the same computation.
 */
export interface TrainableWeights extends WeightSource {
  /** The parameters that a graph uses. */
  inputsOf(graph: Graph): readonly WeightInput[];
  frozenOf(graph: Graph): readonly FrozenInput[];
}

export const withoutLayer = (name: string): string => name.replaceAll(/blk\.\d+\./g, "");
