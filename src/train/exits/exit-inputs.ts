import type { Graph } from "../../graph/index.ts";
import type { WeightsOf } from "../../savings/depth/exits/weights-of.ts";
import type { FrozenInput, TrainableWeights, WeightInput } from "../trainable.ts";

/** Weights of exits as inputs of graphs, beside frozen ones of the model. */
export class ExitInputs implements Pick<TrainableWeights, "inputsOf" | "frozenOf"> {
  readonly #inputs = new WeakMap<Graph, Map<string, WeightInput>>();

  /** `model` gives the frozen weights that a graph uses. */
  constructor(private readonly model?: Pick<TrainableWeights, "frozenOf">) {}

  inputsOf(graph: Graph): readonly WeightInput[] {
    return [...(this.#inputs.get(graph)?.values() ?? [])];
  }

  frozenOf(graph: Graph): readonly FrozenInput[] {
    return this.model?.frozenOf(graph) ?? [];
  }

  weightsOf(graph: Graph): WeightsOf {
    const known = this.#inputs.get(graph) ?? new Map<string, WeightInput>();
    this.#inputs.set(graph, known);
    return (input, [rows, ...inner]) => {
      const tensor = known.get(input)?.tensor ?? graph.input(input, "f32", [rows!, ...inner]);
      known.set(input, { input, tensor, sizes: { [input]: rows! }, inner });
      return tensor;
    };
  }
}
