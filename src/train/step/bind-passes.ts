import { addSpent, evalCost, type Graph, type Spent } from "../../graph/index.ts";
import type { Binding, BoundProgram, Program } from "../../runtime/program.ts";
import {
  layersOf,
  sharesAfter,
  type Trainee,
  traceEmbedding,
  traceEmbeddingBackward,
  traceLayer,
  traceLayerPasses,
} from "../graphs/graphs.ts";
import type { Shape } from "../graphs/stack.ts";
import { bindWeights } from "./bind-weights.ts";
import type { ParameterStore } from "./parameters.ts";
import type { Programs } from "./programs.ts";
import type { BatchPart, StepBuffers } from "./step-buffers.ts";

/** A program bound to a part's tensors. */
interface BoundPart {
  readonly part: BatchPart;
  readonly program: BoundProgram;
  readonly cost: Spent;
}

/** A program and its tensors, bound anew for each part of a new size. */
class Run {
  /** The bound program of each part, by the part's index. */
  readonly #bound: BoundPart[] = [];

  constructor(
    private readonly program: Program,
    private readonly weights: Binding,
    private readonly tensors: (part: BatchPart) => Binding,
  ) {}

  async run(part: BatchPart, spent: Spent): Promise<void> {
    const known = this.#bound[part.at];
    const { program, cost } = known?.part === part ? known : this.#bind(part);
    await program.run();
    addSpent(spent, cost);
  }

  #bind(part: BatchPart): BoundPart {
    const program = this.program.bind({ ...part.inputs, ...this.tensors(part), ...this.weights });
    const bound = { part, program, cost: evalCost(this.program.cost, part.sizes) };
    this.#bound[part.at] = bound;
    return bound;
  }
}

/** A model's programs in the order of a step, except the head's. */
export interface BoundPasses {
  readonly forward: readonly Run[];
  readonly backward: readonly BackwardRun[];
}

interface BackwardRun {
  /** The layer whose input gradient is complete after the run, if any; −1 for the embedding. */
  readonly layer: number;
  readonly run: Run;
}

interface Parts {
  readonly trainee: Trainee;
  readonly store: ParameterStore;
  readonly programs: Programs;
  readonly buffers: StepBuffers;
  /** True to recompute layers in the backward pass. */
  readonly recompute: boolean;
}

/** Binds a step's programs. `first` is the first trained layer, −1 for the embedding. */
export async function bindPasses(parts: Parts, shape: Shape, first: number): Promise<BoundPasses> {
  const { trainee, buffers } = parts;
  const run = (graph: Graph, tensors: (part: BatchPart) => Binding) => bindRun(parts, graph, tensors);
  const embedded = (part: BatchPart) => ({ y: buffers.stream(0, part), ...buffers.carried(0, part, "carriedOut") });
  const forward = [await run(traceEmbedding(trainee, shape), embedded)];
  const backward: BackwardRun[] = [];
  for (const l of layersOf(trainee)) {
    const streams = (part: BatchPart) => ({
      ...{ x: buffers.stream(l, part), y: buffers.stream(l + 1, part) },
      ...{ ...buffers.carried(l, part, "carried"), ...buffers.carried(l + 1, part, "carriedOut") },
    });
    if (l < first) {
      forward.push(await run(traceLayer(trainee, l, shape), streams));
      continue;
    }
    const passes = traceLayerPasses(trainee, l, shape, { before: l > first, recompute: parts.recompute });
    const savedTensors = buffers.keep(passes.kept);
    const tensors = (part: BatchPart) => ({ ...streams(part), ...savedTensors(part) });
    forward.push(await run(passes.forward, tensors));
    const shares = buffers.sum(passes.shares, sharesAfter);
    const gradients = (part: BatchPart) => ({
      ...{ dy: buffers.gradient(l + 1, part), dx: buffers.gradient(l, part) },
      ...buffers.carriedGradient(l + 1, part, "dCarriedOut"),
      ...buffers.carriedGradient(l, part, "dCarried"),
      ...shares(),
    });
    const all = (part: BatchPart) => ({ ...tensors(part), ...gradients(part) });
    backward.unshift({ layer: l, run: await run(passes.backward, all) });
  }
  if (first < 0) {
    const embedding = await run(traceEmbeddingBackward(trainee, shape), (part) => ({
      dy: buffers.gradient(0, part),
      ...buffers.carriedGradient(0, part, "dCarriedOut"),
    }));
    backward.push({ layer: -1, run: embedding });
  }
  return { forward, backward };
}

async function bindRun(
  { trainee, store, programs }: Parts,
  graph: Graph,
  tensors: (part: BatchPart) => Binding,
): Promise<Run> {
  return new Run(await programs.of(graph), bindWeights(graph, trainee, store), tensors);
}
