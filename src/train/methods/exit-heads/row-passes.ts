import { crossEntropy, type Dim, Graph, sym, type Tensor } from "../../../graph/index.ts";
import { Buffer } from "../../../runtime/buffer.ts";
import { type Binding, Program } from "../../../runtime/program.ts";
import type { WeightsOf } from "../../../savings/depth/exits/weights-of.ts";
import { outputGradients, type TrainedInputs } from "../../graphs/graphs.ts";
import { optimizerOptions } from "../../options.ts";
import { bindWeights } from "../../step/bind-weights.ts";
import { Optimizer } from "../../step/optimizer.ts";
import { ParameterStore } from "../../step/parameters.ts";
import type { ExitInputs } from "./exit-inputs.ts";

/** A model over positions: x [1, n, hidden] → logits [1, n, classes]; over sequences, x [n, tokens, hidden]. */
export interface RowModel {
  readonly hidden: number;
  /** Tokens of a sequence; absent: each position is for itself. */
  readonly sequence?: number;
  /** The most positions that run at once. */
  readonly rows: number;
  readonly inputs: ExitInputs;
  logits(g: Graph, weightsOf: WeightsOf, x: Tensor): Tensor;
}

/** The leading dimensions of tensors of the model's positions in a graph, and of `count` of them. */
export const dimsOf = ({ sequence }: RowModel): [Dim, Dim] => (sequence ? [sym("n"), sequence] : [1, sym("n")]);
export const countsOf = ({ sequence }: RowModel, count: number): [number, number] =>
  sequence ? [count / sequence, sequence] : [1, count];

/** Values of AdamW that all exits are trained with. */
const optimizer = optimizerOptions.parse({ beta2: 0.999, weightDecay: 0.01 });

/** Weights of exits, trained by a weighted sum of positions' cross-entropies. */
export class RowTrainer implements Disposable {
  readonly #x: Buffer;
  readonly #targets: Buffer;
  readonly #shares: Buffer;
  readonly #nats: Buffer;
  /** Steps done. */
  steps = 0;

  private constructor(
    private readonly model: RowModel,
    readonly store: ParameterStore,
    private readonly program: Program,
    private readonly weights: Binding,
    private readonly optimizer: Optimizer,
  ) {
    const { rows, hidden } = model;
    this.#x = new Buffer("f32", rows * hidden);
    this.#targets = new Buffer("i64", rows);
    [this.#shares, this.#nats] = [new Buffer("f32", rows), new Buffer("f32", rows)];
  }

  static async create(model: RowModel): Promise<RowTrainer> {
    const { inputs } = model;
    const trained: TrainedInputs = { weights: inputs, trained: (name) => inputs.owns(name) };
    const g = traceLoss(model, trained);
    const store = new ParameterStore(inputs.inputsOf(g), trained.trained);
    for (const frozen of store.parameters.filter((p) => !p.trained))
      store.valuesOf(frozen).set(inputs.floats(frozen.name));
    const program = await Program.compile(g);
    return new RowTrainer(
      model,
      store,
      program,
      bindWeights(g, trained, store),
      await Optimizer.create(optimizer, store),
    );
  }

  /** The memory of x [rows, hidden], which the caller fills before `add`. */
  get x(): Float32Array {
    return new Float32Array(this.#x.memory);
  }

  /**
   * Adds the gradients of positions in `x`; each one's cross-entropy counts by its share in the loss. Returns the sum of
   * share · cross-entropy.
   */
  async add(targets: ArrayLike<number>, shares: ArrayLike<number>): Promise<number> {
    const { hidden } = this.model;
    const n = targets.length;
    const ids = new BigInt64Array(this.#targets.memory);
    for (let i = 0; i < n; i++) ids[i] = BigInt(targets[i]!);
    new Float32Array(this.#shares.memory).set(shares);
    const dims = countsOf(this.model, n);
    const x = { x: this.#x.view([...dims, hidden]) };
    const each = { targets: this.#targets.view(dims), weights: this.#shares.view(dims) };
    await this.program.bind({ ...this.weights, ...x, ...each, nats: this.#nats.view(dims) }).run();
    const nats = new Float32Array(this.#nats.memory, 0, n);
    return nats.reduce((sum, each, i) => sum + each * shares[i]!, 0);
  }

  /** Changes the weights by the gradients added since the last step. */
  async step(rate: number): Promise<void> {
    this.steps++;
    await this.optimizer.step({ count: this.steps, rate, clip: 1 });
    this.store.zeroGradients();
  }

  /** The trained values and the optimiser's own buffers: the memory itself. */
  get buffers(): ReadonlyMap<string, Float32Array> {
    const named = Object.entries({ values: this.store.values, ...this.optimizer.states });
    const { trainedElements } = this.store;
    return new Map(named.map(([name, { memory }]) => [name, new Float32Array(memory, 0, trainedElements)]));
  }

  /** The values of a weight: the memory itself. */
  values(name: string): Float32Array {
    return this.store.valuesOf(this.store.parameter(name));
  }

  [Symbol.dispose](): void {
    const buffers = [this.#x, this.#targets, this.#shares, this.#nats];
    for (const part of [...buffers, this.optimizer, this.program, this.store]) part[Symbol.dispose]();
  }
}

/** `x`, `targets`, `weights` → `nats` and the gradients of the trained weights. */
function traceLoss(model: RowModel, trained: TrainedInputs): Graph {
  const g = new Graph();
  const dims = dimsOf(model);
  const x = g.input("x", "f32", [...dims, model.hidden]);
  const nats = crossEntropy(model.logits(g, model.inputs.weightsOf(g), x), g.input("targets", "i64", dims));
  g.output("nats", nats);
  outputGradients(g, trained, nats, g.input("weights", "f32", dims), []);
  return g;
}
