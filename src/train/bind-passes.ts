import { evalCost, type Graph, type Spent } from "../graph/index.ts";
import type { Binding, BoundProgram } from "../runtime/program.ts";
import { bindWeights } from "./bind-weights.ts";
import {
  layersOf,
  type Shape,
  type Trainee,
  traceEmbedding,
  traceEmbeddingBackward,
  traceLayer,
  traceLayerPasses,
} from "./graphs.ts";
import type { ParameterStore } from "./parameters.ts";
import type { Programs } from "./programs.ts";
import type { StepBuffers } from "./step-buffers.ts";

/** A program with its tensors, and the cost of a run. */
export interface Run {
  readonly bound: BoundProgram;
  readonly cost: Spent;
}

/** A model's programs in the order in which a step runs them, the head's aside. */
export interface BoundPasses {
  readonly forward: readonly Run[];
  readonly backward: readonly Run[];
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
  const layers = layersOf(trainee);
  const run = (graph: Graph, tensors: Binding) => bindRun(parts, graph, tensors);
  const given = buffers.given;
  const forward = [await run(traceEmbedding(trainee, shape), { ...given, y: buffers.stream(0) })];
  const backward: Run[] = [];
  for (const l of layers) {
    const streams = { ...given, x: buffers.stream(l), y: buffers.stream(l + 1) };
    if (l < first) {
      forward.push(await run(traceLayer(trainee, l, shape), streams));
      continue;
    }
    const passes = traceLayerPasses(trainee, l, shape, { before: l > first, recompute: parts.recompute });
    const tensors = { ...streams, ...buffers.keep(passes.kept) };
    forward.push(await run(passes.forward, tensors));
    const gradients = { dy: buffers.gradient(l + 1), dx: buffers.gradient(l) };
    backward.unshift(await run(passes.backward, { ...tensors, ...gradients }));
  }
  if (first < 0)
    backward.push(await run(traceEmbeddingBackward(trainee, shape), { ...given, dy: buffers.gradient(0) }));
  return { forward, backward };
}

async function bindRun({ trainee, store, programs }: Parts, graph: Graph, tensors: Binding): Promise<Run> {
  const program = await programs.of(graph);
  return {
    bound: program.bind({ ...tensors, ...bindWeights(graph, trainee, store) }),
    cost: evalCost(program.cost, {}),
  };
}
