import { evalDim, Graph, graphCost, type Tensor } from "../../../graph/index.ts";
import { Buffer } from "../../../runtime/buffer.ts";
import { Program } from "../../../runtime/program.ts";
import { bindWeights } from "../../step/bind-weights.ts";
import type { ParameterStore } from "../../step/parameters.ts";
import { countsOf, dimsOf, type RowModel } from "./row-passes.ts";
import { batchesOf } from "./rows.ts";
import type { TrainingStates } from "./training-states.ts";

/** Computes a decider's outputs [positions, n] after a layer, at all positions of a range of rows. */
export async function findAll(
  model: RowModel,
  store: ParameterStore,
  { cache }: TrainingStates,
  layer: number,
  range: readonly [from: number, to: number],
): Promise<Float32Array> {
  const { hidden, rows, inputs } = model;
  const { g, found } = traceFind(model);
  const width = Number(found.shape.at(-1));
  using program = await Program.compile(g);
  const weights = bindWeights(g, { weights: inputs, trained: () => false }, store);
  using x = new Buffer("f32", rows * hidden);
  using y = new Buffer("f32", rows * width);
  const all = new Float32Array((range[1] - range[0]) * cache.block * width);
  for (const { at, stream } of batchesOf(cache, [layer], { range, size: rows })) {
    stream(layer, new Float32Array(x.memory));
    const dims = countsOf(model, at.length);
    await program.bind({ ...weights, x: x.view([...dims, hidden]), found: y.view([...dims, width]) }).run();
    all.set(new Float32Array(y.memory, 0, at.length * width), (at[0]! - range[0] * cache.block) * width);
  }
  return all;
}

/** The FLOPs of computing a decider's outputs after a layer on the held-out parts. */
export function findFlops(model: RowModel, { corpus: { ranges, block } }: TrainingStates): number {
  const held = [ranges.calibration, ranges.test].reduce((sum, [from, to]) => sum + to - from, 0);
  const n = (held * block) / (model.sequence ?? 1);
  return evalDim(graphCost(traceFind(model).g).flops, { n });
}

function traceFind(model: RowModel): { readonly g: Graph; readonly found: Tensor } {
  const { hidden, inputs, logits } = model;
  const g = new Graph();
  const found = logits(g, inputs.weightsOf(g), g.input("x", "f32", [...dimsOf(model), hidden]));
  g.output("found", found);
  return { g, found };
}
