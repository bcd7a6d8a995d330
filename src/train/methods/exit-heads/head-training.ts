import {
  type ExitHeadSettings,
  isTrainedHead,
  traceExitHead,
  traceExitScores,
} from "../../../savings/depth/exits/heads.ts";
import { normals } from "../../../util/normals.ts";
import { seededRandom } from "../../../util/random.ts";
import type { Stage } from "../../session/stage.ts";
import { ParameterStore } from "../../step/parameters.ts";
import type { Corpus } from "./corpus.ts";
import { ExitInputs } from "./exit-inputs.ts";
import { judge, judgeFlops } from "./judge.ts";
import type { Guesses } from "./labels.ts";
import type { FrozenModel, ModelHead } from "./model-head.ts";
import { type ExitTrainOptions, TEACHER_TOP } from "./options.ts";
import type { RowModel } from "./row-passes.ts";
import { type RowFit, RowStage, stepsOver } from "./row-stage.ts";
import type { CollectTerms } from "./states/collect.ts";
import type { TrainingStates } from "./training-states.ts";

/** The number of positions whose logits are in memory at once, and the number of positions per optimiser step. */
const [ROWS, STEP_ROWS] = [128, 256];

/** Trained parameters, by their names in the artefact. */
export type TrainedWeights = ReadonlyMap<string, { readonly shape: readonly number[]; readonly values: Float32Array }>;

/** The head after a layer: its weights, and its guesses at all positions. */
export interface TrainedHead {
  readonly weights: TrainedWeights;
  readonly guesses: Guesses;
}

/**
 * Trains the head after a layer, if it has weights, and computes its guesses at every position. The model is frozen.
 */
export async function* headStages(
  { plain, served }: FrozenModel,
  states: TrainingStates,
  layer: number,
  settings: ExitHeadSettings,
  options: ExitTrainOptions,
  terms: CollectTerms = {},
): AsyncGenerator<Stage, TrainedHead, void> {
  const by = (head: ModelHead, trace: typeof traceExitHead): RowModel => ({
    ...{ hidden: states.cache.hidden, rows: ROWS, inputs: new ExitInputs(head) },
    logits: (g, weightsOf, x) => trace(g, head.decoder, weightsOf, settings, layer, x),
  });
  const judged = by(served, traceExitHead);
  if (!isTrainedHead(settings)) {
    using none = new ParameterStore([], () => true);
    states.unbilled.flops += judgeFlops(judged, states);
    return { weights: new Map(), guesses: await judge(judged, none, states, layer, terms) };
  }
  using stage = await RowStage.open(by(plain, traceExitScores), states, {
    ...headFit(states, layer, settings, options),
    ...{ judging: judgeFlops(judged, states), onProgress: terms.onProgress },
  });
  fill(stage.store, options.seed + layer);
  yield stage;
  return { weights: weightsOf(stage.store), guesses: await judge(judged, stage.store, states, layer, terms) };
}

/** The number of steps that train a head with weights. */
export const headSteps = (corpus: Corpus, { headEpochs: epochs }: ExitTrainOptions): number =>
  stepsOver(corpus, { epochs, stepRows: STEP_ROWS });

/** The name of the stage that trains the head after a layer. */
export const headName = (layer: number): string => `head-${layer}`;

/** Copies all trained parameters' values. */
export const weightsOf = (store: ParameterStore): TrainedWeights =>
  new Map(
    store.parameters
      .filter(({ trained }) => trained)
      .map((p) => [p.name, { shape: p.shape, values: store.valuesOf(p).slice() }]),
  );

/** Sets initial values: gains are 1 and an adapter's output is 0, so that a head starts as the model's own head. */
function fill(store: ParameterStore, seed: number): void {
  const normal = normals(seededRandom(seed));
  for (const parameter of store.parameters.filter(({ trained }) => trained)) {
    const values = store.valuesOf(parameter);
    if (parameter.name.endsWith(".gain")) values.fill(1);
    else if (!parameter.name.endsWith(".up"))
      for (let i = 0; i < values.length; i++) values[i] = normal() / Math.sqrt(parameter.shape[1]!);
  }
}

function headFit(
  states: TrainingStates,
  layer: number,
  { tokens }: ExitHeadSettings,
  { targets, headEpochs: epochs, headRate: rate, seed }: ExitTrainOptions,
): Omit<RowFit, "judging" | "onProgress" | "scoring"> {
  const target = (at: number) => (targets === "text" ? states.truth[at]! : states.teacher[at * TEACHER_TOP]!);
  const places = tokens && new Map(tokens.map((id, place) => [id, place]));
  const classOf = (id: number) => (places ? places.get(id) : id);
  return {
    ...{ name: headName(layer), layers: [layer], stepRows: STEP_ROWS, epochs, rate, seed },
    lessons(at) {
      const classes = Array.from(at, (position) => classOf(target(position)));
      // Tokens that the exit cannot choose do not count in its loss.
      const shares = classes.map((place) => (place === undefined ? 0 : 1 / STEP_ROWS));
      return [{ layer, classes: classes.map((place) => place ?? 0), shares }];
    },
  };
}
