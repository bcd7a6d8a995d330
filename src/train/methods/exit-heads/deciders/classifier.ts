import { concat, scale } from "../../../../graph/index.ts";
import { initialMamba2 } from "../../../../nn/mamba2-init.ts";
import type { DeciderQuality } from "../../../../savings/depth/exits/artefact.ts";
import { exitProbability } from "../../../../savings/depth/exits/decide.ts";
import {
  type DeciderKind,
  type DeciderSettings,
  mixerOf,
  traceDecider,
} from "../../../../savings/depth/exits/deciders.ts";
import { normals } from "../../../../util/normals.ts";
import { seededRandom } from "../../../../util/random.ts";
import type { Stage } from "../../../session/stage.ts";
import type { ParameterStore } from "../../../step/parameters.ts";
import { auc, bestTemperature, calibrationError, positiveRate } from "../classifier-metrics.ts";
import type { Corpus } from "../corpus.ts";
import { ExitInputs } from "../exit-inputs.ts";
import { findAll, findFlops } from "../find.ts";
import { type TrainedWeights, weightsOf } from "../head-training.ts";
import type { ExitTrainOptions } from "../options.ts";
import type { RowModel, RowPasses } from "../row-passes.ts";
import { type DeciderTerms, type RowFit, RowStage, scoringOf, stepsOver } from "../row-stage.ts";
import { normaliseRow, type Scaling, scalingOf, sizesOf } from "../scaling.ts";
import { positionsOf, type TrainingStates } from "../training-states.ts";
import { shuffledLabels } from "./shuffled.ts";

/** The minimum number of positions per step; sequences are not split. */
const ROWS = 256;
const rowsOf = ({ kind }: Pick<DeciderSettings, "kind">, block: number): number =>
  kind === "mamba" ? Math.max(1, Math.floor((4 * ROWS) / block)) * block : ROWS;

/** The number of training steps per classifier. */
export const classifierSteps = (
  corpus: Corpus,
  kind: DeciderKind,
  { deciderEpochs: epochs }: ExitTrainOptions,
): number => stepsOver(corpus, { epochs, stepRows: rowsOf({ kind }, corpus.block) });

/** A trained classifier after one layer. */
export interface TrainedClassifier {
  readonly weights: TrainedWeights;
  readonly temperature: number;
  /** The quality on the test part. */
  readonly measured: DeciderQuality;
  /** The exit probabilities at the test part's positions. */
  readonly test: Float32Array;
}

/** A classifier to train: its layer, its labels at all positions, and its layer's share of the total loss. */
export interface ClassifierJob {
  readonly settings: DeciderSettings;
  readonly layer: number;
  readonly labels: Uint8Array;
  readonly share: number;
}

/** Trains a binary DYNAMAX classifier (b.4, b.5), fits its temperature on the calibration part, and measures it. */
export async function* classifierStages(
  states: TrainingStates,
  job: ClassifierJob,
  options: ExitTrainOptions,
  terms: DeciderTerms<TrainedClassifier> = {},
): AsyncGenerator<Stage, TrainedClassifier, void> {
  const { settings, layer } = job;
  const { block, hidden } = states.cache;
  const model: RowModel = {
    ...{ hidden, rows: rowsOf(settings, block), inputs: new ExitInputs() },
    ...(settings.kind === "mamba" && { sequence: block }),
    logits: (g, weights, x) => traceDecider(g, weights, settings, layer, x).found,
  };
  // The cross-entropy of two logits, one of them 0, equals the binary cross-entropy of the other logit.
  const binary: RowModel = {
    ...model,
    logits: (g, weights, x) => {
      const logits = model.logits(g, weights, x);
      return concat([scale(logits, 0), logits], 2);
    },
  };
  const scaling = settings.kind === "linear" ? scalingOf(states, [layer]) : undefined;
  const current = () =>
    stage.withWeights(async () => {
      if (scaling) unscale(stage.passes, scaling, layer);
      return await measuredOn(states, model, stage.store, job);
    });
  using stage: RowStage = await RowStage.open(binary, states, {
    ...classifierFit(scaling, states, job, options),
    ...{ judging: findFlops(model, states), onProgress: terms.onProgress },
    scoring: scoringOf(terms.scoring, current),
  });
  fill(stage.store, states, job, options.seed);
  yield stage;
  return await current();
}

/** Fits a classifier's temperature on plain streams, and measures the classifier. */
async function measuredOn(
  states: TrainingStates,
  model: RowModel,
  store: ParameterStore,
  { layer, labels }: ClassifierJob,
): Promise<TrainedClassifier> {
  const { calibration, test } = states.corpus.ranges;
  const logits = await findAll(model, store, states, layer, calibration);
  const own = (range: readonly [number, number]) => labels.subarray(...positionsOf(states.corpus, range));
  const temperature = bestTemperature((t) => lossAt(logits, own(calibration), t));
  const found = await findAll(model, store, states, layer, test);
  const tested = found.map((logit) => exitProbability(logit, temperature));
  return { weights: weightsOf(store), temperature, measured: qualityOf(tested, own(test)), test: tested };
}

export const qualityOf = (probabilities: ArrayLike<number>, labels: ArrayLike<number>): DeciderQuality => ({
  auc: auc(probabilities, labels),
  positiveRate: positiveRate(labels),
  ece: calibrationError(probabilities, labels),
});

/** The mean binary cross-entropy of logits at a temperature. */
function lossAt(logits: Float32Array, labels: Uint8Array, temperature: number): number {
  let sum = 0;
  for (let i = 0; i < logits.length; i++) {
    const z = (labels[i] === 1 ? 1 : -1) * (logits[i]! / temperature);
    sum += Math.max(0, -z) + Math.log1p(Math.exp(-Math.abs(z)));
  }
  return sum / logits.length;
}

/** Sets initial values: a classifier's bias starts at the log-odds of its label. */
function fill(store: ParameterStore, states: TrainingStates, { layer, labels, settings }: ClassifierJob, seed: number) {
  const normal = normals(seededRandom(seed + layer));
  const rate = positiveRate(labels.subarray(...positionsOf(states.corpus, states.corpus.ranges.training)));
  for (const parameter of store.parameters) {
    const values = store.valuesOf(parameter);
    if (parameter.name.endsWith(".bias")) values.fill(Math.log((rate + 1e-3) / (1 - rate + 1e-3)));
    else if (parameter.name.endsWith(".enter"))
      // The stream's elements differ by orders of magnitude; the initial gain evens them out.
      values.set(sizesOf(scalingOf(states, [layer], normaliseRow)).map((size) => 1 / size));
    else if (settings.kind === "ffn")
      for (let i = 0; i < values.length; i++) values[i] = normal() / Math.sqrt(parameter.shape.at(-1)!);
  }
  if (settings.kind !== "mamba") return;
  const mixer = initialMamba2(mixerOf(settings, states.cache.hidden), seededRandom(seed + layer));
  for (const [name, values] of Object.entries(mixer))
    store.valuesOf(store.parameter(`mamba.${layer}.${name}`)).set(values);
}

function classifierFit(
  scaling: Scaling | undefined,
  states: TrainingStates,
  { settings, layer, labels, share }: ClassifierJob,
  { labels: kind, deciderEpochs: epochs, deciderRate: rate, seed }: ExitTrainOptions,
): Omit<RowFit, "judging" | "onProgress" | "scoring"> {
  const training = positionsOf(states.corpus, states.corpus.ranges.training);
  const learnt = kind === "shuffled" ? shuffledLabels(labels, training, seed + layer) : labels;
  const stepRows = rowsOf(settings, states.cache.block);
  return {
    ...{ name: `${settings.kind}-${layer}`, layers: [layer], stepRows, epochs, rate, seed },
    whole: settings.kind === "mamba",
    ...(scaling && { scale: (streams, positions) => standardise(streams, positions, scaling) }),
    lessons: (at) => [
      {
        layer,
        classes: Array.from(at, (position) => learnt[position]!),
        shares: new Float32Array(at.length).fill(share / at.length),
      },
    ],
  };
}

/** Subtracts each element's mean and divides by its standard deviation. */
function standardise(x: Float32Array, rows: number, { mean, deviation }: Scaling): void {
  const hidden = mean.length;
  for (let i = 0; i < rows; i++)
    for (let k = 0; k < hidden; k++) x[i * hidden + k] = (x[i * hidden + k]! - mean[k]!) / deviation[k]!;
}

/** Converts weights for standardised streams into equivalent weights for plain streams. */
function unscale(passes: RowPasses, { mean, deviation }: Scaling, layer: number): void {
  const [weight, bias] = [passes.values(`linear.${layer}.weight`), passes.values(`linear.${layer}.bias`)];
  for (let k = 0; k < weight.length; k++) {
    weight[k]! /= deviation[k]!;
    bias[0]! -= weight[k]! * mean[k]!;
  }
}
