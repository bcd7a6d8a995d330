import {
  type Constant,
  divide,
  Graph,
  linear,
  plus,
  type QuantizedMatrix,
  scale,
  split,
  sqrt,
  sum,
  type Tensor,
  times,
  transpose,
  withoutGradient,
} from "../../graph/index.ts";
import { project } from "../../nn/linear.ts";
import { UserError } from "../../util/errors.ts";
import type { Layout } from "../../weights/adapter/lora-layers.ts";
import type { ConfigSource } from "../../weights/checkpoint.ts";
import type {
  LowRank,
  LowRankUpdate,
  Matrix,
  Sizes,
  TableShape,
  TokenRows,
  WeightSource,
} from "../../weights/weight-source.ts";
import type { LoraOptions } from "../options.ts";
import { LoraTargets, usualTargets } from "./lora-targets.ts";
import { dropped } from "./noise.ts";
import { savedModules } from "./saved-modules.ts";
import { type FrozenInput, type TrainableWeights, type WeightInput, withoutLayer } from "./trainable.ts";

/** The weight inputs that a graph requested. */
interface Inputs {
  /** Inputs bound to the parameter store. */
  readonly stored: Map<string, WeightInput>;
  readonly frozen: Map<string, FrozenInput>;
}

/** Differences from training a plain decoder. */
interface LoraUse {
  /** Tensors of a classifier's head, which are fully trained. */
  readonly head?: readonly string[];
  /** True in an engine: frozen weights are constants, which it packs; a program may run several layers. */
  readonly served?: boolean;
}

/** A matrix with a LoRA layer. */
interface AdaptedMatrix {
  readonly inputs: number;
  readonly outputs: number;
  /** The name of the first factor, which a module's matrices share. */
  readonly down: string;
}

/**
 * A model's frozen weights, with trained LoRA layers on some of its matrices (Hu et al. 2021). Frozen weights are
 * inputs, not constants, which the compiler would expand to floats for the backward pass; quantised inputs are bound
 * to their files.
 */
export class LoraWeights implements TrainableWeights {
  readonly #inputs = new WeakMap<Graph, Inputs>();
  readonly #targets: LoraTargets;
  /** The matrices that have a LoRA layer in use, by name without `.weight`. */
  readonly adapted = new Map<string, AdaptedMatrix>();

  /** Tensors that are trained in full. */
  readonly saved: readonly string[];
  private readonly served: boolean;

  constructor(
    private readonly base: WeightSource,
    private readonly options: LoraOptions,
    /** Tokens whose rows are also trained, ascending. */
    readonly tokens?: readonly number[],
    /** Maps matrices to Hugging Face's modules. */
    private readonly layout: Pick<Layout, "modules"> = { modules: () => [] },
    { head = [], served = false }: LoraUse = {},
  ) {
    this.saved = [...savedModules(options.modules_to_save, layout, (name) => base.has(name)), ...head];
    this.served = served;
    this.#targets = new LoraTargets(usualTargets(options.targets, (name) => base.has(name)));
  }

  get config(): ConfigSource {
    return this.base.config;
  }

  inputsOf(graph: Graph): readonly WeightInput[] {
    return [...(this.#inputs.get(graph)?.stored.values() ?? [])];
  }

  frozenOf(graph: Graph): readonly FrozenInput[] {
    return [...(this.#inputs.get(graph)?.frozen.values() ?? [])];
  }

  /** @throws UserError if a target names no matrix; call it after tracing everything */
  checkTargets(): void {
    this.#targets.check();
  }

  someRows(graph: Graph, name: string, shape: TableShape, rows: readonly number[]): Matrix {
    return this.base.someRows!(graph, name, shape, rows);
  }

  has(name: string): boolean {
    return this.saved.includes(name) || this.base.has(name);
  }

  values(name: string): Float32Array | undefined {
    return this.base.values(name);
  }

  matrix(graph: Graph, inputs: number, outputs: Sizes): Matrix {
    const [name, size] = Object.entries(outputs)[0]!;
    if (this.saved.includes(name)) return { kind: "float32 rows", weight: this.#input(graph, name, size, [inputs]) };
    const scratch = new Graph();
    const matrix = this.base.matrix(scratch, inputs, outputs);
    switch (matrix.kind) {
      case "blocks":
        return { kind: "blocks", matrix: this.#codes(graph, scratch, matrix.matrix) };
      case "bytes":
        throw new Error("weights stored as bytes cannot be trained");
      case "float32":
      case "float32 rows":
        return { kind: matrix.kind, weight: this.#frozen(graph, scratch, matrix.weight) };
    }
  }

  vector(graph: Graph, sizes: Sizes): Tensor {
    const [name, size] = Object.entries(sizes)[0]!;
    if (this.saved.includes(name)) return this.#input(graph, name, size, []);
    const scratch = new Graph();
    return this.#frozen(graph, scratch, this.base.vector(scratch, sizes));
  }

  table(graph: Graph, name: string, shape: TableShape): Tensor {
    if (this.saved.includes(name)) return this.#input(graph, name, shape[0], [shape[1]]);
    const scratch = new Graph();
    return this.#frozen(graph, scratch, this.base.table(scratch, name, shape));
  }

  inBlocks(name: string, shape?: readonly number[]): boolean {
    return !this.saved.includes(name) && this.base.inBlocks(name, shape);
  }

  rowsInBlocks(graph: Graph, name: string, shape: TableShape): QuantizedMatrix {
    const scratch = new Graph();
    return this.#codes(graph, scratch, this.base.rowsInBlocks(scratch, name, shape));
  }

  computed(graph: Graph, name: string, shape: number[], make: () => Float32Array<ArrayBuffer>): Tensor {
    const scratch = new Graph();
    return this.#frozen(graph, scratch, this.base.computed(scratch, name, shape, make));
  }

  update(graph: Graph, inputs: number, outputs: Sizes): LowRankUpdate | undefined {
    const factors = Object.entries(outputs).flatMap(([name, size]) => {
      const modules = this.layout.modules(name);
      // An adapter in Hugging Face's format could not store this matrix's update.
      if (modules.length === 0 || this.saved.includes(`${name}.weight`)) return [];
      const together = Object.keys(outputs).filter((other) => this.layout.modules(other)[0] === modules[0]);
      if (!this.#targets.include([...together, ...modules])) return [];
      const factors = this.#factors(graph, name, { inputs, outputs: size, down: downName(together[0]!) });
      return [[name, this.options.use_dora ? this.#withGain(graph, name, factors, inputs, outputs) : factors] as const];
    });
    return factors.length > 0 ? { kind: "apart", factors: Object.fromEntries(factors) } : undefined;
  }

  /**
   * DoRA (Liu et al. 2024): each row of W + s · (down · up)ᵀ gets a trained norm. The row's own norm counts as a
   * constant in the gradient, as in PEFT. ‖w + s · d u‖² = ‖w‖² + u · (2 s · w d + s² · dᵀd u) needs no copy of W.
   */
  #withGain(graph: Graph, name: string, factors: LowRank, inputs: number, outputs: Sizes): LowRank {
    if (name === "output") throw new UserError("use_dora: the head supports only plain LoRA; omit it from targets", 2);
    const size = outputs[name]!;
    const [down, up] = [factors.down, factors.up].map(withoutGradient) as [Tensor, Tensor];
    const turned = transpose(down, [1, 0]);
    const named = Object.fromEntries(Object.entries(outputs).map(([each, n]) => [`${each}.weight`, n]));
    const products = project(turned, this.matrix(graph, inputs, named));
    const names = Object.keys(outputs);
    const own = names.length === 1 ? products : split(products, 1, Object.values(outputs))[names.indexOf(name)]!;
    const squares = sum(times(up, plus(scale(own, 2), linear(linear(turned, down), up))), 0);
    const norm = sqrt(plus(squares, this.#input(graph, squaresName(name), size, [])));
    return { ...factors, gain: divide(this.#input(graph, magnitudeName(name), size, []), norm) };
  }

  tableUpdate(): undefined {
    return undefined;
  }

  /** The tokens' rows are trained in full, because a low-rank update would change all rows of the table. */
  tokenRows(graph: Graph, name: string, width: number): TokenRows | undefined {
    const { tokens: ids } = this;
    return ids && { ids, rows: this.#input(graph, rowsName(name), ids.length, [width]) };
  }

  #factors(graph: Graph, name: string, matrix: AdaptedMatrix): LowRank {
    const { inputs, outputs } = matrix;
    this.adapted.set(name, matrix);
    const { rank } = this.options;
    const down = this.#input(graph, matrix.down, inputs, [rank]);
    const up = scale(this.#input(graph, upName(name), rank, [outputs]), loraScale(this.options));
    if (this.options.lora_dropout === 0) return { down, up };
    if (name === "output")
      throw new UserError("lora_dropout: dropout does not apply to the head's inputs; omit the head from targets", 2);
    const columns = this.#input(graph, dropoutName(matrix.down), inputs, []);
    return { down, up, dropout: (x) => dropped(graph, x, columns) };
  }

  #input(graph: Graph, name: string, rows: number, inner: readonly number[]): Tensor {
    const { stored } = this.#of(graph);
    const input = this.served ? name : withoutLayer(name);
    const tensor = stored.get(input)?.tensor ?? graph.input(input, "f32", [rows, ...inner]);
    stored.set(input, { input, tensor, sizes: { [name]: rows }, inner });
    return tensor;
  }

  #codes(graph: Graph, scratch: Graph, { codes, scale, zero, ...form }: QuantizedMatrix): QuantizedMatrix {
    const [c, s, z] = [codes, scale, zero].map((tensor) => this.#frozen(graph, scratch, tensor)) as [
      Tensor,
      Tensor,
      Tensor,
    ];
    return { ...form, codes: c, scale: s, zero: z };
  }

  /**
   * Adds a scratch graph's constant to the graph: as a constant if it lies in memory or the model is served, else as an
   * input.
   */
  #frozen(graph: Graph, scratch: Graph, tensor: Tensor): Tensor {
    const { name, data } = constantOf(scratch, tensor);
    if (data.kind === "memory" || this.served) return graph.constant(name, tensor, data);
    const { frozen } = this.#of(graph);
    const input = withoutLayer(name);
    const known = frozen.get(input);
    if (known) return known.tensor;
    const tensorInput = graph.input(input, tensor.dtype, tensor.shape);
    frozen.set(input, { input, tensor: tensorInput, data });
    return tensorInput;
  }

  #of(graph: Graph): Inputs {
    const known = this.#inputs.get(graph) ?? { stored: new Map(), frozen: new Map() };
    this.#inputs.set(graph, known);
    return known;
  }
}

function constantOf({ constants }: Graph, tensor: Tensor): Constant {
  const found = constants.find((constant) => constant.tensor === tensor);
  if (!found) throw new Error("a frozen weight is not a constant of its source");
  return found;
}

/** The scale of a LoRA layer's output (rsLoRA: Kalajdzievski 2023). */
export const loraScale = ({ rank, alpha, use_rslora }: LoraOptions): number =>
  alpha / (use_rslora ? Math.sqrt(rank) : rank);

/** False for LoRA inputs that are not trained. */
export const isTrainedLora = (name: string): boolean => !/\.lora_(dropout|squares)$/.test(name);

/** The name of the trained token rows [tokens, width] of a table or a head. */
export const rowsName = (name: string): string => `${name}.token_rows`;

/** Names of a matrix's factors, by its canonical name without `.weight`: [inputs, rank] and [rank, outputs]. */
export const downName = (name: string): string => `${name}.lora_down`;
export const upName = (name: string): string => `${name}.lora_up`;
/** DoRA's trained norms of a matrix's rows, and the squared norms of the frozen rows: [outputs] each. */
export const magnitudeName = (name: string): string => `${name}.lora_magnitude`;
export const squaresName = (name: string): string => `${name}.lora_squares`;
/** The name of the random integers that determine a module's dropout pattern. */
const dropoutName = (down: string): string => down.replace(/lora_down$/, "lora_dropout");
/** True for parameters with LoRA+'s own learning rate: the second factors and, as in PEFT, DoRA's norms. */
export const hasPlusRate = (name: string): boolean => /\.lora_(up|magnitude)$/.test(name);
