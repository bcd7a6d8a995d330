import { type Bindings, type Cost, evalDim, full, Graph, graphCost, type Tensor } from "../../graph/index.ts";
import { type Binding, Program } from "../../runtime/program.ts";
import { outputGradients } from "../graphs/graphs.ts";
import type { TracedWeights } from "../graphs/traced-weights.ts";
import type { Evaluation } from "../session/evaluation.ts";
import { type GradientOptions, GradientStage, type Gradients } from "../session/gradient-stage.ts";
import type { StageCost } from "../session/stage.ts";
import { bindWeights } from "../step/bind-weights.ts";
import { Optimizer } from "../step/optimizer.ts";
import { ParameterStore } from "../step/parameters.ts";
import { type DataInputs, GivenBuffers } from "./given-buffers.ts";

/** A model and its loss, small enough for a step to run as one program. */
export interface WholeModel {
  /** The weights, as inputs under their full names. */
  readonly weights: TracedWeights;
  /** Traces the loss, f32 [], of a batch's inputs. */
  loss(g: Graph): Tensor;
}

/** A step's batch. */
export interface WholeBatch {
  readonly inputs: DataInputs;
  /** The values of the graph's symbolic dimensions. */
  readonly sizes?: Bindings;
  readonly tokens: number;
  readonly samples: number;
}

/** The data, batches and evaluation of a `WholeModel`. */
export interface WholeData {
  /** SHA-256 of the data. */
  readonly hash: string;
  readonly steps: number;
  /** Yields batches endlessly, starting at a step. */
  batches(from: number): AsyncGenerator<WholeBatch, never>;
  /** Evaluates the current weights. */
  evaluate?(store: ParameterStore): Promise<Evaluation>;
}

/** Trains a model whose loss and gradients run as one program. */
export class WholeStage extends GradientStage {
  readonly head = "own";
  readonly #buffers = new GivenBuffers();
  readonly #binding: Binding;
  #program: Program | undefined;
  #batches: AsyncGenerator<WholeBatch, never> | undefined;
  #cost = { forward: 0, backward: 0, exits: 0 };

  private constructor(
    options: GradientOptions,
    store: ParameterStore,
    optimizer: Optimizer,
    private readonly graph: Graph,
    private readonly forward: Cost,
    traced: Parameters<typeof bindWeights>[1],
    readonly data: WholeData,
  ) {
    super(options, store, optimizer);
    this.#binding = bindWeights(graph, traced, store);
  }

  static async open({ weights, loss }: WholeModel, options: GradientOptions, data: WholeData): Promise<WholeStage> {
    const g = new Graph();
    const of = loss(g);
    g.output("loss", of);
    const forward = graphCost(g);
    const store = new ParameterStore(weights.inputsOf(g), () => true);
    const traced = { weights, trained: () => true };
    outputGradients(g, traced, of, full(of, 1), []);
    const optimizer = await Optimizer.create(options.optimizer, store);
    return new WholeStage(options, store, optimizer, g, forward, traced, data);
  }

  get steps(): number {
    return this.data.steps;
  }

  async prepare(): Promise<void> {
    this.#program = await Program.compile(this.graph);
  }

  protected async gradients(i: number): Promise<Gradients> {
    this.#batches ??= this.data.batches(i);
    const batch = (await this.#batches.next()).value;
    const loss = await this.#run(batch);
    const { tokens, samples } = batch;
    return { loss, labelled: samples, tokens, samples };
  }

  /** Computes a batch's gradients in the store; returns the batch's loss. */
  async #run({ inputs, sizes = {} }: WholeBatch): Promise<number> {
    const program = this.#program!;
    this.store.zeroGradients();
    const loss = this.#buffers.output("loss", []);
    await program.bind({ ...this.#binding, ...this.#buffers.of(inputs), loss }).run();
    const forward = evalDim(this.forward.flops, sizes);
    this.#cost.forward += forward;
    this.#cost.backward += evalDim(program.cost.flops, sizes) - forward;
    return new Float32Array(loss.buffer.memory)[0]!;
  }

  async tryBatch(): Promise<{ flops: number; tokens: number; ms: number }> {
    const batch = (await this.data.batches(0).next()).value;
    const started = performance.now();
    await this.#run(batch);
    const { forward, backward } = this.takeCost();
    return { flops: forward + backward, tokens: batch.tokens, ms: performance.now() - started };
  }

  async evaluate(): Promise<Evaluation> {
    return (await this.data.evaluate?.(this.store)) ?? {};
  }

  takeCost(): StageCost {
    const cost = this.#cost;
    this.#cost = { forward: 0, backward: 0, exits: 0 };
    return cost;
  }

  override [Symbol.dispose](): void {
    for (const part of [this.#program, this.#buffers, this.store]) part?.[Symbol.dispose]();
    super[Symbol.dispose]();
  }
}
