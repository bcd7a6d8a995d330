import type { PrecisionPolicy, Spent } from "../../graph/index.ts";
import type { Batch } from "../data/batch.ts";
import { type ExitLoss, layersOf, type Trainee, traceEmbedding, traceLayer } from "../graphs/graphs.ts";
import { traceLoss } from "../graphs/loss.ts";
import type { Shape } from "../graphs/stack.ts";
import type { Head, HeadLoss } from "../heads/objective.ts";
import { openHead } from "../heads/open.ts";
import { type BoundPasses, bindPasses } from "./bind-passes.ts";
import type { JoinedTensors, ParameterStore } from "./parameters.ts";
import { Programs } from "./programs.ts";
import { StepBuffers, type StepTerms } from "./step-buffers.ts";

/** The FLOPs of the passes. */
export interface PassCost {
  readonly forward: number;
  readonly backward: number;
  /** The FLOPs of heads at earlier layers, forward and backward. */
  readonly exits: number;
}

/** A head at a layer before the last. */
interface ExitHead extends Omit<ExitLoss, "objective"> {
  readonly head: Head;
}

/** The place of a batch that is the only one of its step. */
const ALONE: StepTerms = { before: 0, scale: 1 };

/** A placeholder shape, for graphs that do not depend on it. */
const ANY_SHAPE: Shape = { rows: 1, tokens: 2, packed: false };

/** Weights with the layer that reads them: −1 for the embedding, the number of layers for the heads. */
export interface PlacedWeights {
  readonly layer: number;
  readonly joined: JoinedTensors;
}

/** A model's weights in the order in which it reads them; some occur several times. */
export function placedWeights(trainee: Trainee): PlacedWeights[] {
  const { layers } = trainee.stack;
  const exits = (trainee.exits?.at ?? []).map(({ objective }) => traceLoss({ ...trainee, objective }));
  const graphs = [
    { layer: -1, graph: traceEmbedding(trainee, ANY_SHAPE) },
    ...layersOf(trainee).map((layer) => ({ layer, graph: traceLayer(trainee, layer, ANY_SHAPE) })),
    ...[traceLoss(trainee), ...exits].map((graph) => ({ layer: layers, graph })),
  ];
  return graphs.flatMap(({ layer, graph }) => trainee.weights.inputsOf(graph).map((joined) => ({ layer, joined })));
}

export const weightsOf = (trainee: Trainee): JoinedTensors[] => placedWeights(trainee).map(({ joined }) => joined);

/**
 * Runs batches forward and backward. Each layer stores its intermediate results for the backward pass; with
 * `recompute`, it stores only its input and runs again. Layers below the first trained layer store nothing and do not
 * run backward.
 */
export class Passes implements Disposable {
  #forwards: Spent = { flops: 0, bytes: 0 };
  #backwards: Spent = { flops: 0, bytes: 0 };
  #exits: Spent = { flops: 0, bytes: 0 };

  private constructor(
    private readonly buffers: StepBuffers,
    private readonly bound: BoundPasses,
    private readonly head: Head,
    private readonly exits: readonly ExitHead[],
    /** The last layer's share of the loss. */
    private readonly share: number,
    private readonly programs: Programs,
  ) {}

  static async create(
    trainee: Trainee,
    store: ParameterStore,
    shape: Shape,
    recompute: boolean,
    precision: PrecisionPolicy = "fp32",
  ): Promise<Passes> {
    const first = firstTrained(trainee);
    const { at, last } = trainee.exits ?? { at: [], last: 1 };
    const lowest = Math.min(first, ...at.map(({ layer }) => layer));
    const [programs, buffers] = [new Programs(precision), new StepBuffers(trainee, shape, Math.max(0, lowest))];
    const bound = await bindPasses({ trainee, store, programs, buffers, recompute }, shape, first);
    const head = await openHead(trainee, store, programs, first < trainee.stack.layers);
    const exits: ExitHead[] = [];
    for (const { objective, ...exit } of at)
      exits.push({ ...exit, head: await openHead({ ...trainee, objective }, store, programs, first < exit.layer) });
    return new Passes(buffers, bound, head, exits, last, programs);
  }

  /**
   * Adds a batch's gradients to the store's; `weight` is each label's share of the loss. Returns the sum of the labels'
   * losses, in nats, at the last layer.
   */
  async train(batch: Batch, weight: number, terms: StepTerms = ALONE): Promise<number> {
    await this.#forward(batch, terms);
    const nats = await this.head.backward(batch, weight * this.share, this.buffers.last, this.#backwards);
    const ran = new Set<number>();
    for (const { layer, run } of this.bound.backward) {
      for (const part of this.buffers.parts) await run.run(part, this.#backwards);
      await this.#exit(batch, weight, layer);
      ran.add(layer);
    }
    // At layers below the first trained layer, only heads are trained.
    for (const layer of new Set(this.exits.map((exit) => exit.layer)))
      if (!ran.has(layer)) await this.#exit(batch, weight, layer);
    return nats;
  }

  /** If a layer has an exit, adds the gradients of the exit's head and of the stream before the layer. */
  async #exit(batch: Batch, weight: number, layer: number): Promise<void> {
    for (const { head, share } of this.exits.filter((exit) => exit.layer === layer))
      await head.backward(batch, weight * share, this.buffers.at(layer, true), this.#exits);
  }

  /** The summed loss of a batch's labels, and the number of labels predicted correctly. */
  async evaluate(batch: Batch): Promise<HeadLoss> {
    await this.#forward(batch, ALONE);
    return this.head.forward(batch, this.buffers.last, this.#forwards);
  }

  /** The cost since the last call. The head's forward pass within a backward pass counts as backward. */
  takeCost(): PassCost {
    const cost = { forward: this.#forwards.flops, backward: this.#backwards.flops, exits: this.#exits.flops };
    this.#forwards = { flops: 0, bytes: 0 };
    this.#backwards = { flops: 0, bytes: 0 };
    this.#exits = { flops: 0, bytes: 0 };
    return cost;
  }

  async #forward(batch: Batch, terms: StepTerms): Promise<void> {
    this.buffers.fill(batch, terms);
    for (const run of this.bound.forward) for (const part of this.buffers.parts) await run.run(part, this.#forwards);
  }

  [Symbol.dispose](): void {
    const heads = [this.head, ...this.exits.map(({ head }) => head)];
    for (const part of [this.buffers, ...heads, this.programs]) part[Symbol.dispose]();
  }
}

/** The first layer with a trained weight; −1 for the embedding, the number of layers if only the head is trained. */
export function firstTrained(trainee: Trainee): number {
  const isTrained = ({ joined }: PlacedWeights) => Object.keys(joined.sizes).some(trainee.trained);
  return placedWeights(trainee).find(isTrained)?.layer ?? trainee.stack.layers;
}
