import type { DeciderFile } from "../../../../savings/depth/exits/artefact.ts";
import { type DeciderKind, usualWidth } from "../../../../savings/depth/exits/deciders.ts";
import type { TrainedWeights } from "../head-training.ts";
import { controllerLabels, exitWeights, type Guesses, relaxedLabels } from "../labels.ts";
import type { ExitTrainOptions } from "../options.ts";
import type { CollectTerms } from "../states/collect.ts";
import { modelRight, type TrainingStates } from "../training-states.ts";
import { type TrainedClassifier, trainClassifier } from "./classifier.ts";
import { trainController } from "./controller.ts";

/** The exits that deciders are for: layers, and their heads' guesses. */
export interface Exits {
  readonly layers: readonly number[];
  readonly guesses: readonly Guesses[];
}

/** A decider for all exits: its weights, and its entry in the artefact. */
export interface TrainedDecider {
  readonly about: DeciderFile;
  readonly weights: TrainedWeights;
}

/** Trains a decider of one kind. */
export function trainDecider(
  kind: DeciderKind,
  states: TrainingStates,
  exits: Exits,
  options: ExitTrainOptions,
  terms: CollectTerms,
): Promise<TrainedDecider> {
  return kind === "controller"
    ? trainStopExit(states, exits, options, terms)
    : trainClassifiers(kind, states, exits, options, terms);
}

async function trainStopExit(
  states: TrainingStates,
  { layers, guesses }: Exits,
  options: ExitTrainOptions,
  terms: CollectTerms,
): Promise<TrainedDecider> {
  const right = [...guesses.map((each) => each.right), modelRight(states)];
  const labels = controllerLabels(right).slice(0, layers.length);
  const { weights, temperatures, measured } = await trainController(states, layers, labels, options, terms);
  return { about: { kind: "controller", topK: 0, temperatures: [...temperatures], measured: [...measured] }, weights };
}

async function trainClassifiers(
  kind: Exclude<DeciderKind, "controller">,
  states: TrainingStates,
  exits: Exits,
  options: ExitTrainOptions,
  terms: CollectTerms,
): Promise<TrainedDecider> {
  const { layers, guesses } = exits;
  const { topK, weightOrder } = options;
  const inner = usualWidth(kind, states.cache.hidden);
  const width = inner === undefined ? {} : { width: inner };
  const shares = exitWeights(layers.length, weightOrder);
  const trained: TrainedClassifier[] = [];
  for (const [exit, layer] of layers.entries()) {
    const labels = relaxedLabels(guesses[exit]!, topK);
    const job = { settings: { kind, ...width }, layer, labels, share: shares[exit]! };
    trained.push(await trainClassifier(states, job, options, terms));
  }
  const about: DeciderFile = {
    ...{ kind, topK, ...width },
    temperatures: trained.map(({ temperature }) => temperature),
    measured: trained.map(({ measured }) => measured),
  };
  return { about, weights: new Map(trained.flatMap(({ weights }) => [...weights])) };
}
