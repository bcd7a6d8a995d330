import type { Graph, Spent } from "../graph/index.ts";
import { type BoundPasses, bindPasses, type Run } from "./bind-passes.ts";
import type { Batch } from "./data/batch.ts";
import { layersOf, type Trainee, traceEmbedding, traceLayer } from "./graphs.ts";
import type { Head, Judged } from "./heads/objective.ts";
import { openHead } from "./heads/open.ts";
import { traceLoss } from "./loss.ts";
import type { Joined, ParameterStore } from "./parameters.ts";
import { Programs } from "./programs.ts";
import type { Shape } from "./stack.ts";
import { StepBuffers } from "./step-buffers.ts";

/** FLOPs of passes. */
export interface PassCost {
  readonly forward: number;
  readonly backward: number;
}

/** The shape for graphs that do not depend on it. */
const ANY_SHAPE: Shape = { rows: 1, tokens: 2, packed: false };

/** The weights that a model reads, in its order. */
export function weightsOf(trainee: Trainee): Joined[] {
  const layers = layersOf(trainee).map((l) => traceLayer(trainee, l, ANY_SHAPE));
  const graphs = [traceEmbedding(trainee, ANY_SHAPE), ...layers, traceLoss(trainee)];
  return graphs.flatMap((g) => trainee.weights.inputsOf(g));
}

/**
 * Runs batches forward and backward. The backward pass needs each layer's products: they are kept, or only the layer's
 * input is kept and the layer runs again (`recompute`). Below the first trained layer, nothing is kept and nothing runs
 * backward.
 */
export class Passes implements Disposable {
  #forwards: Spent = { flops: 0, bytes: 0 };
  #backwards: Spent = { flops: 0, bytes: 0 };

  private constructor(
    private readonly buffers: StepBuffers,
    private readonly bound: BoundPasses,
    private readonly head: Head,
    private readonly programs: Programs,
  ) {}

  static async create(trainee: Trainee, store: ParameterStore, shape: Shape, recompute: boolean): Promise<Passes> {
    const first = firstTrained(trainee);
    const [programs, buffers] = [new Programs(), new StepBuffers(trainee, shape, Math.max(0, first))];
    const bound = await bindPasses({ trainee, store, programs, buffers, recompute }, shape, first);
    const head = await openHead(trainee, store, programs, first < trainee.stack.layers);
    return new Passes(buffers, bound, head, programs);
  }

  /**
   * Adds a batch's gradients to the store's; `weight` is the share of each label in the loss. Returns the sum of its
   * labels' nats.
   */
  async train(batch: Batch, weight: number): Promise<number> {
    await this.#forward(batch);
    const nats = await this.head.backward(batch, weight, this.buffers.last, this.#backwards);
    await this.#run(this.bound.backward, this.#backwards);
    return nats;
  }

  /** The loss of a batch's labels, and how many of them have the highest score. */
  async evaluate(batch: Batch): Promise<Judged> {
    await this.#forward(batch);
    return this.head.forward(batch, this.buffers.last, this.#forwards);
  }

  /** The cost since the last call. The head's forward pass within a backward pass counts as backward. */
  takeCost(): PassCost {
    const cost = { forward: this.#forwards.flops, backward: this.#backwards.flops };
    this.#forwards = { flops: 0, bytes: 0 };
    this.#backwards = { flops: 0, bytes: 0 };
    return cost;
  }

  async #forward(batch: Batch): Promise<void> {
    this.buffers.fill(batch);
    await this.#run(this.bound.forward, this.#forwards);
  }

  async #run(runs: readonly Run[], spent: Spent): Promise<void> {
    for (const run of runs) await run.run(this.buffers.sizes, spent);
  }

  [Symbol.dispose](): void {
    for (const part of [this.buffers, this.head, this.programs]) part[Symbol.dispose]();
  }
}

/** The first layer with a trained weight; −1: the embedding; the number of layers: only the head. */
function firstTrained(trainee: Trainee): number {
  const { weights, trained } = trainee;
  const any = (graph: Graph) => weights.inputsOf(graph).some(({ sizes }) => Object.keys(sizes).some(trained));
  if (any(traceEmbedding(trainee, ANY_SHAPE))) return -1;
  return layersOf(trainee).find((l) => any(traceLayer(trainee, l, ANY_SHAPE))) ?? trainee.stack.layers;
}
