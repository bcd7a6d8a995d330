import type { Graph } from "../../../graph/index.ts";
import type { WeightsOf } from "../../../savings/depth/exits/weights-of.ts";
import type { FrozenInput, TrainableWeights, WeightInput } from "../../graphs/trainable.ts";
import type { ModelHead } from "./model-head.ts";

/** The weights of exits as graph inputs, with the weights of the model's head if the exits use it. */
export class ExitInputs implements Pick<TrainableWeights, "inputsOf" | "frozenOf"> {
  readonly #inputs = new WeakMap<Graph, Map<string, WeightInput>>();
  readonly #own = new Set<string>();

  constructor(private readonly model?: ModelHead) {}

  inputsOf(graph: Graph): readonly WeightInput[] {
    return [...(this.#inputs.get(graph)?.values() ?? []), ...(this.model?.weights.inputsOf(graph) ?? [])];
  }

  frozenOf(graph: Graph): readonly FrozenInput[] {
    return this.model?.weights.frozenOf(graph) ?? [];
  }

  /** True for the exits' own weights, which are trained; the model's weights are frozen. */
  owns(name: string): boolean {
    return this.#own.has(name);
  }

  /** A weight of the model. */
  floats(name: string): Float32Array {
    return this.model!.floats(name);
  }

  weightsOf(graph: Graph): WeightsOf {
    const known = this.#inputs.get(graph) ?? new Map<string, WeightInput>();
    this.#inputs.set(graph, known);
    return (input, [rows, ...inner]) => {
      const tensor = known.get(input)?.tensor ?? graph.input(input, "f32", [rows!, ...inner]);
      known.set(input, { input, tensor, sizes: { [input]: rows! }, inner });
      this.#own.add(input);
      return tensor;
    };
  }
}
