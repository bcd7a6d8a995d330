import { addSpent, type Bindings, evalCost, type Graph, type Spent } from "../../graph/index.ts";
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
import type { StepBuffers } from "./step-buffers.ts";

/** A program with its tensors, which is bound anew for batches of other sizes. */
class Run {
  #bound: { readonly sizes: Bindings; readonly program: BoundProgram; readonly cost: Spent } | undefined;

  constructor(
    private readonly program: Program,
    private readonly weights: Binding,
    private readonly tensors: () => Binding,
  ) {}

  /** `sizes` are the batch's: another object if views of its tensors are others. */
  async run(sizes: Bindings, spent: Spent): Promise<void> {
    if (this.#bound?.sizes !== sizes)
      this.#bound = {
        sizes,
        program: this.program.bind({ ...this.tensors(), ...this.weights }),
        cost: evalCost(this.program.cost, sizes),
      };
    await this.#bound.program.run();
    addSpent(spent, this.#bound.cost);
  }
}

/** A model's programs in the order in which a step runs them, the head's aside. */
export interface BoundPasses {
  readonly forward: readonly Run[];
  readonly backward: readonly BackwardRun[];
}

/** One program of the backward pass. */
interface BackwardRun {
  /** The layer whose input's gradient is whole then, if it has one; −1: the embedding. */
  readonly layer: number;
  readonly run: Run;
}

interface Parts {
  readonly trainee: Trainee;
  readonly store: ParameterStore;
  readonly programs: Programs;
  readonly buffers: StepBuffers;
  /** True if layers run again in the backward pass. */
  readonly recompute: boolean;
}

/** `first` is the first layer that is trained, −1 if the embedding is. */
export async function bindPasses(parts: Parts, shape: Shape, first: number): Promise<BoundPasses> {
  const { trainee, buffers } = parts;
  const run = (graph: Graph, tensors: () => Binding) => bindRun(parts, graph, tensors);
  const forward = [await run(traceEmbedding(trainee, shape), () => ({ y: buffers.stream(0) }))];
  const backward: BackwardRun[] = [];
  for (const l of layersOf(trainee)) {
    const streams = () => ({ x: buffers.stream(l), y: buffers.stream(l + 1) });
    if (l < first) {
      forward.push(await run(traceLayer(trainee, l, shape), streams));
      continue;
    }
    const passes = traceLayerPasses(trainee, l, shape, { before: l > first, recompute: parts.recompute });
    const kept = buffers.keep(passes.kept);
    const tensors = () => ({ ...streams(), ...kept() });
    forward.push(await run(passes.forward, tensors));
    const shares = buffers.sum(passes.shares, sharesAfter);
    const gradients = () => ({ dy: buffers.gradient(l + 1), dx: buffers.gradient(l), ...shares() });
    backward.unshift({ layer: l, run: await run(passes.backward, () => ({ ...tensors(), ...gradients() })) });
  }
  if (first < 0) {
    const embedding = await run(traceEmbeddingBackward(trainee, shape), () => ({ dy: buffers.gradient(0) }));
    backward.push({ layer: -1, run: embedding });
  }
  return { forward, backward };
}

async function bindRun(
  { trainee, store, programs, buffers }: Parts,
  graph: Graph,
  tensors: () => Binding,
): Promise<Run> {
  const given = () => ({ ...buffers.given, ...tensors() });
  return new Run(await programs.of(graph), bindWeights(graph, trainee, store), given);
}
