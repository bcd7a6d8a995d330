import type { DeciderQuality } from "../../../../savings/depth/exits/artefact.ts";
import { actionProbabilities, actions } from "../../../../savings/depth/exits/decide.ts";
import { traceDecider } from "../../../../savings/depth/exits/deciders.ts";
import type { Stage } from "../../../session/stage.ts";
import type { ParameterStore } from "../../../step/parameters.ts";
import { bestTemperature } from "../classifier-metrics.ts";
import type { Corpus } from "../corpus.ts";
import { ExitInputs } from "../exit-inputs.ts";
import { findAll, findFlops } from "../find.ts";
import { type TrainedWeights, weightsOf } from "../head-training.ts";
import { exitWeights } from "../labels.ts";
import type { ExitTrainOptions } from "../options.ts";
import type { RowModel } from "../row-passes.ts";
import { type DeciderTerms, type RowFit, RowStage, scoringOf, stepsOver } from "../row-stage.ts";
import { scalingOf, sizesOf } from "../scaling.ts";
import { positionsOf, type TrainingStates } from "../training-states.ts";
import { qualityOf } from "./classifier.ts";
import { shuffledLabels } from "./shuffled.ts";

/** Positions per step. */
const ROWS = 256;

/** The number of steps that train the controller. */
export const controllerSteps = (corpus: Corpus, { deciderEpochs: epochs }: ExitTrainOptions): number =>
  stepsOver(corpus, { epochs, stepRows: ROWS });

/** SEC's controller, and how well it predicts each layer's labels on the test part. */
export interface TrainedController {
  readonly weights: TrainedWeights;
  /** By layer. */
  readonly temperatures: readonly number[];
  readonly measured: readonly (DeciderQuality & { readonly stop: DeciderQuality })[];
  /** Raw logits on the test part by layer, [positions, 3]. */
  readonly found: readonly Float32Array[];
}

/**
 * Trains one matrix for all layers on SEC's labels, by layer and position; the cross-entropy of exit j (counted from 1)
 * is weighted by j (b.4).
 */
export async function* controllerStages(
  states: TrainingStates,
  layers: readonly number[],
  labels: readonly Uint8Array[],
  options: ExitTrainOptions,
  terms: DeciderTerms<TrainedController> = {},
): AsyncGenerator<Stage, TrainedController, void> {
  const model: RowModel = {
    ...{ hidden: states.cache.hidden, rows: ROWS, inputs: new ExitInputs() },
    logits: (g, weights, x) => traceDecider(g, weights, { kind: "controller" }, 0, x).found,
  };
  // The matrix has no bias, so streams are scaled, but not shifted.
  const size = sizesOf(scalingOf(states, layers));
  const current = () =>
    stage.withWeights(async () => {
      divide(stage.passes.values("controller.weight"), actions.length, size);
      return await measuredOn(states, model, stage.store, layers, labels);
    });
  using stage: RowStage = await RowStage.open(model, states, {
    ...controllerFit(size, states, layers, labels, options),
    ...{ judging: layers.length * findFlops(model, states), onProgress: terms.onProgress },
    scoring: scoringOf(terms.scoring, current),
  });
  yield stage;
  return await current();
}

/** Fits a controller's temperatures on plain streams, and measures the controller. */
async function measuredOn(
  states: TrainingStates,
  model: RowModel,
  store: ParameterStore,
  layers: readonly number[],
  labels: readonly Uint8Array[],
): Promise<TrainedController> {
  const { calibration, test } = states.corpus.ranges;
  const own = (exit: number, range: readonly [number, number]) =>
    labels[exit]!.subarray(...positionsOf(states.corpus, range));
  const found: Float32Array[] = [];
  const temperatures: number[] = [];
  for (const [exit, layer] of layers.entries()) {
    const logits = await findAll(model, store, states, layer, calibration);
    temperatures.push(bestTemperature((t) => lossAt(logits, own(exit, calibration), t)));
    found.push(await findAll(model, store, states, layer, test));
  }
  const measured = layers.map((_, exit) => measure(found[exit]!, own(exit, test), temperatures[exit]!));
  return { weights: weightsOf(store), temperatures, measured, found };
}

function controllerFit(
  size: Float32Array,
  states: TrainingStates,
  layers: readonly number[],
  labels: readonly Uint8Array[],
  { labels: kind, deciderEpochs: epochs, deciderRate: rate, seed }: ExitTrainOptions,
): Omit<RowFit, "judging" | "onProgress" | "scoring"> {
  const shares = exitWeights(layers.length, "latest-heavy");
  const training = positionsOf(states.corpus, states.corpus.ranges.training);
  // A token's labels for all layers are shuffled together.
  const learnt = kind === "shuffled" ? labels.map((own) => shuffledLabels(own, training, seed)) : labels;
  return {
    ...{ name: "controller", layers, stepRows: ROWS, epochs, rate, seed },
    scale: (streams, positions) => divide(streams, positions, size),
    lessons: (at) =>
      layers.map((layer, exit) => ({
        layer,
        classes: Array.from(at, (position) => learnt[exit]![position]!),
        shares: new Float32Array(at.length).fill(shares[exit]! / at.length),
      })),
  };
}

function divide(x: Float32Array, rows: number, by: Float32Array): void {
  const hidden = by.length;
  for (let i = 0; i < rows; i++) for (let k = 0; k < hidden; k++) x[i * hidden + k]! /= by[k]!;
}

const row = (logits: Float32Array, i: number) => logits.subarray(i * actions.length, (i + 1) * actions.length);

/** The mean cross-entropy of logits at a temperature. */
function lossAt(logits: Float32Array, labels: Uint8Array, temperature: number): number {
  let sum = 0;
  for (let i = 0; i < labels.length; i++)
    sum -= Math.log(actionProbabilities(row(logits, i), temperature)[labels[i]!]!);
  return sum / labels.length;
}

function measure(
  logits: Float32Array,
  labels: Uint8Array,
  temperature: number,
): DeciderQuality & { stop: DeciderQuality } {
  const all = Array.from(labels, (_, i) => actionProbabilities(row(logits, i), temperature));
  const ofAction = (action: number) =>
    qualityOf(
      all.map((p) => p[action]!),
      Array.from(labels, (label) => (label === action ? 1 : 0)),
    );
  return { ...ofAction(actions.indexOf("exit")), stop: ofAction(actions.indexOf("stop")) };
}
