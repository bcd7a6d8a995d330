import { evalDim, Graph, graphCost, logLikelihoods, sym } from "../../../graph/index.ts";
import { Buffer } from "../../../runtime/buffer.ts";
import { Program } from "../../../runtime/program.ts";
import { bindWeights } from "../../step/bind-weights.ts";
import type { ParameterStore } from "../../step/parameters.ts";
import { type Guesses, NO_PLACE } from "./labels.ts";
import { TEACHER_TOP } from "./options.ts";
import type { RowModel } from "./row-passes.ts";
import { batchesOf } from "./rows.ts";
import type { CollectTerms } from "./states/collect.ts";
import type { TrainingStates } from "./training-states.ts";

/** The number of candidates at each position: the model's likeliest tokens, and the text's token. */
const ASKED = TEACHER_TOP + 1;

/** Computes a head's guesses after `layer` layers at all positions of a corpus. */
export async function judge(
  model: RowModel,
  store: ParameterStore,
  states: TrainingStates,
  layer: number,
  { signal, onProgress }: CollectTerms,
): Promise<Guesses> {
  const { hidden, rows, inputs } = model;
  const g = traceJudge(model);
  using program = await Program.compile(g);
  const weights = bindWeights(g, { weights: inputs, trained: () => false }, store);
  using x = new Buffer("f32", rows * hidden);
  using targets = new Buffer("i64", rows * ASKED);
  using nats = new Buffer("f32", rows * ASKED);
  using best = new Buffer("f32", rows);
  const { corpus, cache, truth } = states;
  const guesses: Guesses = { places: new Uint8Array(truth.length), right: new Uint8Array(truth.length) };
  for (const { at, stream } of batchesOf(cache, [layer], { range: [0, corpus.blocks.length], size: rows })) {
    signal?.throwIfAborted();
    const n = at.length;
    stream(layer, new Float32Array(x.memory));
    ask(new BigInt64Array(targets.memory), at, states);
    const tensors = { x: x.view([1, n, hidden]), targets: targets.view([1, n, ASKED]) };
    await program.bind({ ...weights, ...tensors, nats: nats.view([1, n, ASKED]), best: best.view([1, n]) }).run();
    note(guesses, at, new Float32Array(nats.memory), new Float32Array(best.memory));
    onProgress?.({ stage: `guesses after layer ${layer}`, done: at.at(-1)! + 1, of: truth.length });
  }
  return guesses;
}

/** The FLOPs of guessing at all positions of a corpus. */
export const judgeFlops = (model: RowModel, { truth }: TrainingStates): number =>
  evalDim(graphCost(traceJudge(model)).flops, { n: truth.length });

function traceJudge({ hidden, inputs, logits }: RowModel): Graph {
  const g = new Graph();
  const n = sym("n");
  const scores = logits(g, inputs.weightsOf(g), g.input("x", "f32", [1, n, hidden]));
  const { nats, best } = logLikelihoods(scores, g.input("targets", "i64", [1, n, ASKED]));
  g.output("nats", nats);
  g.output("best", best);
  return g;
}

function ask(targets: BigInt64Array, at: Int32Array, { teacher, truth }: TrainingStates): void {
  for (const [i, position] of at.entries()) {
    for (let k = 0; k < TEACHER_TOP; k++)
      targets[i * ASKED + k] = BigInt(Math.max(0, teacher[position * TEACHER_TOP + k]!));
    targets[i * ASKED + TEACHER_TOP] = BigInt(truth[position]!);
  }
}

/** Records which candidate a head chose: the one whose loss equals the loss of the head's likeliest token. */
function note({ places, right }: Guesses, at: Int32Array, nats: Float32Array, best: Float32Array): void {
  for (const [i, position] of at.entries()) {
    const row = nats.subarray(i * ASKED, (i + 1) * ASKED);
    const place = row.subarray(0, TEACHER_TOP).indexOf(best[i]!);
    places[position] = place < 0 ? NO_PLACE : place;
    right[position] = row[TEACHER_TOP] === best[i] ? 1 : 0;
  }
}
