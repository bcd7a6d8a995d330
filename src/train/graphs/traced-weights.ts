import type { Graph, Tensor } from "../../graph/index.ts";
import type { ConfigSource } from "../../weights/checkpoint.ts";
import { FloatRows } from "../../weights/float-rows.ts";
import type { Matrix, Sizes, TableShape } from "../../weights/weight-source.ts";
import { type TrainableWeights, type WeightInput, withoutLayer } from "./trainable.ts";

/** The name of a weight that consists of only some rows of a matrix. */
export const someRowsOf = (name: string): string => `some rows of ${name}`;

/**
 * Weights as graph inputs, for training, in float32, with matrices as [outputs, inputs], as Hugging Face stores them.
 * Inputs are named without their layer, so that one program serves all layers with the same computation. Graphs of a
 * whole model keep the layers in the names.
 */
export class TracedWeights extends FloatRows implements TrainableWeights {
  readonly #inputs = new WeakMap<Graph, Map<string, WeightInput>>();

  /** `exists` returns true if the model has an optional tensor, such as a bias or an untied head. */
  constructor(
    readonly config: ConfigSource,
    private readonly exists: (name: string) => boolean,
    private readonly inputName: (name: string) => string = withoutLayer,
  ) {
    super();
  }

  /** The weights that a graph uses. */
  inputsOf(graph: Graph): readonly WeightInput[] {
    return [...(this.#inputs.get(graph)?.values() ?? [])];
  }

  frozenOf(): readonly [] {
    return [];
  }

  has(name: string): boolean {
    return this.exists(name);
  }

  someRows(graph: Graph, name: string, [, width]: TableShape, rows: readonly number[]): Matrix {
    return { kind: "float32 rows", weight: this.stacked(graph, { [someRowsOf(name)]: rows.length }, [width]) };
  }

  protected stacked(graph: Graph, sizes: Sizes, inner: readonly number[]): Tensor {
    const known = this.#inputs.get(graph) ?? new Map<string, WeightInput>();
    this.#inputs.set(graph, known);
    const input = Object.keys(sizes).map(this.inputName).join("+");
    const found = known.get(input);
    if (found) return found.tensor;
    const rows = Object.values(sizes).reduce((sum, size) => sum + size, 0);
    const tensor = graph.input(input, "f32", [rows, ...inner]);
    known.set(input, { input, tensor, sizes, inner });
    return tensor;
  }
}
