import { type Bindings, type Cost, evalDim, full, Graph, graphCost, type Tensor } from "../../graph/index.ts";
import type { Binding } from "../../runtime/program.ts";
import { Program } from "../../runtime/program.ts";
import { outputGradients } from "../graphs/graphs.ts";
import type { TracedWeights } from "../graphs/traced-weights.ts";
import type { OptimizerOptions } from "../options.ts";
import { bindWeights } from "../step/bind-weights.ts";
import { clipFactor, gradientNorm, Optimizer } from "../step/optimizer.ts";
import { ParameterStore } from "../step/parameters.ts";
import { type DataInputs, GivenBuffers } from "./given-buffers.ts";

/** A model so small that a step is one program, and its loss. */
export interface WholeModel {
  /** The weights, as inputs with their whole names. */
  readonly weights: TracedWeights;
  /** The loss of a batch, f32 [], of inputs that come with it. */
  loss(g: Graph): Tensor;
}

/** Trains a model whose loss and gradients are one program. */
export class WholeTrainer implements Disposable {
  /** FLOPs so far. */
  readonly flops = { forward: 0, backward: 0, update: 0 };
  readonly #given = new GivenBuffers();
  #steps = 0;

  private constructor(
    readonly store: ParameterStore,
    private readonly program: Program,
    private readonly forward: Cost,
    private readonly weights: Binding,
    private readonly optimizer: Optimizer,
  ) {}

  static async create({ weights, loss }: WholeModel, options: OptimizerOptions): Promise<WholeTrainer> {
    const g = new Graph();
    const of = loss(g);
    g.output("loss", of);
    const forward = graphCost(g);
    const store = new ParameterStore(weights.inputsOf(g), () => true);
    const trained = { weights, trained: () => true };
    outputGradients(g, trained, of, full(of, 1), []);
    const program = await Program.compile(g);
    const optimizer = await Optimizer.create(options, store);
    return new WholeTrainer(store, program, forward, bindWeights(g, trained, store), optimizer);
  }

  /**
   * A step on one batch at a learning rate; `sizes` are the graph's symbols. Gradients longer than 1 are shortened.
   * Returns the batch's loss before it.
   */
  async step(inputs: DataInputs, rate: number, sizes: Bindings = {}): Promise<number> {
    this.store.zeroGradients();
    const loss = this.#given.output("loss", []);
    await this.program.bind({ ...this.weights, ...this.#given.of(inputs), loss }).run();
    const value = new Float32Array(loss.buffer.memory)[0]!;
    this.#steps++;
    const clip = clipFactor(gradientNorm(this.store), 1);
    await this.optimizer.step({ count: this.#steps, rate, clip });
    const forward = evalDim(this.forward.flops, sizes);
    this.flops.forward += forward;
    this.flops.backward += evalDim(this.program.cost.flops, sizes) - forward;
    this.flops.update += this.optimizer.cost.flops;
    return value;
  }

  [Symbol.dispose](): void {
    for (const part of [this.program, this.optimizer, this.#given, this.store]) part[Symbol.dispose]();
  }
}
