import {
  type Cost,
  crossEntropy,
  type Dim,
  evalDim,
  Graph,
  graphCost,
  sym,
  type Tensor,
} from "../../../graph/index.ts";
import { Buffer } from "../../../runtime/buffer.ts";
import { type Binding, Program } from "../../../runtime/program.ts";
import type { WeightsOf } from "../../../savings/depth/exits/weights-of.ts";
import { outputGradients, type TrainedInputs } from "../../graphs/graphs.ts";
import { bindWeights } from "../../step/bind-weights.ts";
import { ParameterStore } from "../../step/parameters.ts";
import type { PassCost } from "../../step/passes.ts";
import type { ExitInputs } from "./exit-inputs.ts";

/** A model that maps positions x [1, n, hidden], or sequences x [n, tokens, hidden], to logits [.., .., classes]. */
export interface RowModel {
  readonly hidden: number;
  /** Tokens per sequence; if absent, positions are independent. */
  readonly sequence?: number;
  /** The maximum number of positions that run at once. */
  readonly rows: number;
  readonly inputs: ExitInputs;
  logits(g: Graph, weightsOf: WeightsOf, x: Tensor): Tensor;
}

/** The leading dimensions of a graph's tensors, symbolic here; `countsOf` gives their sizes for `count` positions. */
export const dimsOf = ({ sequence }: RowModel): [Dim, Dim] => (sequence ? [sym("n"), sequence] : [1, sym("n")]);
export const countsOf = ({ sequence }: RowModel, count: number): [number, number] =>
  sequence ? [count / sequence, sequence] : [1, count];

/** Computes the gradients of exits' weights from a weighted sum of cross-entropies at positions. */
export class RowPasses implements Disposable {
  readonly #x: Buffer;
  readonly #targets: Buffer;
  readonly #shares: Buffer;
  readonly #nats: Buffer;
  #spent = { forward: 0, backward: 0 };

  private constructor(
    private readonly model: RowModel,
    readonly store: ParameterStore,
    private readonly program: Program,
    private readonly forward: Cost,
    private readonly weights: Binding,
  ) {
    const { rows, hidden } = model;
    this.#x = new Buffer("f32", rows * hidden);
    this.#targets = new Buffer("i64", rows);
    [this.#shares, this.#nats] = [new Buffer("f32", rows), new Buffer("f32", rows)];
  }

  static async create(model: RowModel): Promise<RowPasses> {
    const { inputs } = model;
    const trained: TrainedInputs = { weights: inputs, trained: (name) => inputs.owns(name) };
    const g = new Graph();
    const dims = dimsOf(model);
    const nats = traceLoss(g, model, dims);
    const forward = graphCost(g);
    outputGradients(g, trained, nats, g.input("weights", "f32", dims), []);
    const store = new ParameterStore(inputs.inputsOf(g), trained.trained);
    for (const frozen of store.parameters.filter((p) => !p.trained))
      store.valuesOf(frozen).set(inputs.floats(frozen.name));
    const program = await Program.compile(g);
    return new RowPasses(model, store, program, forward, bindWeights(g, trained, store));
  }

  /** The memory of x [rows, hidden]; the caller fills it before `add`. */
  get x(): Float32Array {
    return new Float32Array(this.#x.memory);
  }

  /**
   * Adds the gradients of positions in `x`, weighting each cross-entropy by its share of the loss; returns the weighted
   * sum of cross-entropies.
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
    this.#bill(dims[this.model.sequence ? 0 : 1]);
    const nats = new Float32Array(this.#nats.memory, 0, n);
    return nats.reduce((sum, each, i) => sum + each * shares[i]!, 0);
  }

  #bill(n: number): void {
    const forward = evalDim(this.forward.flops, { n });
    this.#spent.forward += forward;
    this.#spent.backward += evalDim(this.program.cost.flops, { n }) - forward;
  }

  takeCost(): PassCost {
    const cost = { ...this.#spent, exits: 0 };
    this.#spent = { forward: 0, backward: 0 };
    return cost;
  }

  /** The values of a weight: a view of the buffer's own memory. */
  values(name: string): Float32Array {
    return this.store.valuesOf(this.store.parameter(name));
  }

  [Symbol.dispose](): void {
    const buffers = [this.#x, this.#targets, this.#shares, this.#nats];
    for (const part of [...buffers, this.program, this.store]) part[Symbol.dispose]();
  }
}

/** Maps `x` and `targets` to `nats`. */
function traceLoss(g: Graph, model: RowModel, dims: [Dim, Dim]): Tensor {
  const x = g.input("x", "f32", [...dims, model.hidden]);
  const nats = crossEntropy(model.logits(g, model.inputs.weightsOf(g), x), g.input("targets", "i64", dims));
  g.output("nats", nats);
  return nats;
}
