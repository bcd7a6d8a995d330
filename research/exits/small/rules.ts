import { confidence } from "../../../src/graph/index.ts";
import { type DeciderKind, usualWidth } from "../../../src/savings/depth/exits/deciders.ts";
import { traceExitHead } from "../../../src/savings/depth/exits/heads.ts";
import { classifierStages, type TrainedClassifier } from "../../../src/train/methods/exit-heads/deciders/classifier.ts";
import { ExitInputs } from "../../../src/train/methods/exit-heads/exit-inputs.ts";
import { findAll } from "../../../src/train/methods/exit-heads/find.ts";
import { headStages } from "../../../src/train/methods/exit-heads/head-training.ts";
import { exitWeights, type Guesses, relaxedLabels } from "../../../src/train/methods/exit-heads/labels.ts";
import type { FrozenModel } from "../../../src/train/methods/exit-heads/model-head.ts";
import { exitTrainOptions } from "../../../src/train/methods/exit-heads/options.ts";
import { batchesOf } from "../../../src/train/methods/exit-heads/rows.ts";
import { positionsOf, type TrainingStates } from "../../../src/train/methods/exit-heads/training-states.ts";
import { ParameterStore } from "../../../src/train/step/parameters.ts";
import { finish } from "../../common/finish.ts";

/** Rules that need no training, by the number that each compares with a threshold. */
export const UNTRAINED = ["softmax-max", "softmax-margin", "entropy", "saturation"] as const;
type Untrained = (typeof UNTRAINED)[number];

/** Scores of the test part's positions by layer. */
export type Scores = readonly Float32Array[];

const SHARED = { mode: "shared" } as const;

/** Choices of the model's own head after each layer with an exit. */
export async function guessesOf(frozen: FrozenModel, states: TrainingStates): Promise<Guesses[]> {
  const all: Guesses[] = [];
  for (const layer of states.cache.layers)
    all.push((await finish(headStages(frozen, states, layer, SHARED, exitTrainOptions.parse({})))).guesses);
  return all;
}

/** The confidence of that head, and the similarity of the streams around each layer. */
export async function untrainedScores(
  frozen: FrozenModel,
  states: TrainingStates,
): Promise<Readonly<Record<Untrained, Scores>>> {
  using none = new ParameterStore([], () => true);
  const { cache, corpus } = states;
  const found: Float32Array[] = [];
  for (const layer of cache.layers) {
    const model = {
      ...{ hidden: cache.hidden, rows: 128, inputs: new ExitInputs(frozen.served) },
      logits: (...[g, weightsOf, x]: Parameters<Parameters<typeof findAll>[0]["logits"]>) =>
        confidence(traceExitHead(g, frozen.served.decoder, weightsOf, SHARED, layer, x)),
    };
    found.push(await findAll(model, none, states, layer, corpus.ranges.test));
  }
  const numbers = (which: number) => found.map((all) => all.filter((_, i) => i % 3 === which));
  return {
    "softmax-max": numbers(0),
    "softmax-margin": numbers(1),
    entropy: numbers(2),
    saturation: saturation(states),
  };
}

/** The cosine of the streams before and after each layer; the first layer's is not known. */
function saturation({ cache, corpus }: TrainingStates): Scores {
  const { layers, block, hidden } = cache;
  const range = corpus.ranges.test;
  const all = layers.map(() => new Float32Array((range[1] - range[0]) * block).fill(-1));
  const [before, after] = [new Float32Array(block * hidden), new Float32Array(block * hidden)];
  for (const { at, stream } of batchesOf(cache, layers, { range, size: block }))
    for (const [exit, layer] of layers.entries()) {
      if (exit === 0) continue;
      stream(layer - 1, before);
      stream(layer, after);
      for (const [i, position] of at.entries())
        all[exit]![position - range[0] * block] = cosine(before, after, i * hidden, hidden);
    }
  return all;
}

function cosine(a: Float32Array, b: Float32Array, from: number, width: number): number {
  let [dot, aa, bb] = [0, 0, 0];
  for (let k = from; k < from + width; k++) {
    dot += a[k]! * b[k]!;
    aa += a[k]! * a[k]!;
    bb += b[k]! * b[k]!;
  }
  return dot / Math.sqrt(aa * bb);
}

export interface Fit {
  readonly kind: DeciderKind;
  readonly topK?: number;
  readonly labels?: "true" | "shuffled";
  readonly seed: number;
}

/** Classifiers of a kind after each layer with an exit. */
export async function fitClassifiers(
  states: TrainingStates,
  guesses: readonly Guesses[],
  { kind, topK = 1, labels = "true", seed }: Fit,
): Promise<TrainedClassifier[]> {
  const { layers, hidden } = states.cache;
  const options = exitTrainOptions.parse({ topK, labels, seed });
  const shares = exitWeights(layers.length, options.weightOrder);
  const settings = { kind, width: usualWidth(kind, hidden) };
  const all: TrainedClassifier[] = [];
  for (const [exit, layer] of layers.entries()) {
    const job = { settings, layer, labels: relaxedLabels(guesses[exit]!, topK), share: shares[exit]! };
    all.push(await finish(classifierStages(states, job, options)));
  }
  return all;
}

/** The test part's positions that a test accepts, as numbers from its first. */
export function positionsWhere({ corpus }: TrainingStates, accepts: (position: number) => boolean): Int32Array {
  const [from, to] = positionsOf(corpus, corpus.ranges.test);
  return Int32Array.from({ length: to - from }, (_, i) => i).filter((i) => accepts(from + i));
}
