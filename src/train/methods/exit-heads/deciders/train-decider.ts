import type { DeciderFile } from "../../../../savings/depth/exits/artefact.ts";
import { type DeciderKind, usualWidth } from "../../../../savings/depth/exits/deciders.ts";
import type { Stage } from "../../../session/stage.ts";
import type { Corpus } from "../corpus.ts";
import type { TrainedWeights } from "../head-training.ts";
import { controllerLabels, exitWeights, type Guesses, relaxedLabels } from "../labels.ts";
import type { ExitTrainOptions } from "../options.ts";
import { type DeciderTerms, scoringBy } from "../row-stage.ts";
import { modelRight, type TrainingStates } from "../training-states.ts";
import { classifierStages, classifierSteps, type TrainedClassifier } from "./classifier.ts";
import { controllerStages, controllerSteps, type TrainedController } from "./controller.ts";

/** The exits that a decider chooses among: their layers, and their heads' guesses. */
export interface Exits {
  readonly layers: readonly number[];
  readonly guesses: readonly Guesses[];
}

/** A decider for all exits: its weights, and its entry in the artefact. */
export interface TrainedDecider {
  readonly metadata: DeciderFile;
  readonly weights: TrainedWeights;
}

/** Stages that train a decider and return it. */
type DeciderStages = AsyncGenerator<Stage, TrainedDecider, void>;

export const deciderStages = (
  kind: DeciderKind,
  states: TrainingStates,
  exits: Exits,
  options: ExitTrainOptions,
  terms: DeciderTerms<TrainedDecider>,
): DeciderStages =>
  kind === "controller"
    ? stopExitStages(states, exits, options, terms)
    : classifiersStages(kind, states, exits, options, terms);

/** The number of steps that train a decider for `exits` exits. */
export const deciderSteps = (kind: DeciderKind, corpus: Corpus, exits: number, options: ExitTrainOptions): number =>
  kind === "controller" ? controllerSteps(corpus, options) : exits * classifierSteps(corpus, kind, options);

async function* stopExitStages(
  states: TrainingStates,
  { layers, guesses }: Exits,
  options: ExitTrainOptions,
  { scoring, ...terms }: DeciderTerms<TrainedDecider>,
): DeciderStages {
  const right = [...guesses.map((each) => each.right), modelRight(states)];
  const labels = controllerLabels(right).slice(0, layers.length);
  const decider = ({ weights, temperatures, measured }: TrainedController): TrainedDecider => ({
    metadata: { kind: "controller", topK: 0, temperatures: [...temperatures], measured: [...measured] },
    weights,
  });
  const scored = { ...terms, scoring: scoringBy(scoring, decider) };
  return decider(yield* controllerStages(states, layers, labels, options, scored));
}

async function* classifiersStages(
  kind: Exclude<DeciderKind, "controller">,
  states: TrainingStates,
  exits: Exits,
  options: ExitTrainOptions,
  { scoring, ...terms }: DeciderTerms<TrainedDecider>,
): DeciderStages {
  const { layers, guesses } = exits;
  const { topK, weightOrder } = options;
  const inner = usualWidth(kind, states.cache.hidden);
  const width = inner === undefined ? {} : { width: inner };
  const shares = exitWeights(layers.length, weightOrder);
  const deciderOf = (trained: readonly TrainedClassifier[]): TrainedDecider => ({
    metadata: {
      ...{ kind, topK, ...width },
      temperatures: trained.map(({ temperature }) => temperature),
      measured: trained.map(({ measured }) => measured),
    },
    weights: new Map(trained.flatMap(({ weights }) => [...weights])),
  });
  const whole = scoringBy(scoring, (last: TrainedClassifier) => deciderOf([...trained, last]));
  const trained: TrainedClassifier[] = [];
  for (const [exit, layer] of layers.entries()) {
    const labels = relaxedLabels(guesses[exit]!, topK);
    const job = { settings: { kind, ...width }, layer, labels, share: shares[exit]! };
    const isLast = exit === layers.length - 1;
    trained.push(yield* classifierStages(states, job, options, { ...terms, ...(isLast && { scoring: whole }) }));
  }
  return deciderOf(trained);
}
