import type { LanguageModel } from "../../../engine/decode/language-model.ts";
import type { ExitsFile } from "../../../savings/depth/exits/artefact.ts";
import { lockFile } from "../../../weights/sources/home.ts";
import { withLock } from "../../../weights/sources/lock.ts";
import type { OpenTerms, Stage } from "../../session/stage.ts";
import type { Corpus } from "./corpus.ts";
import { deciderStages, type TrainedDecider } from "./deciders/train-decider.ts";
import { type ExitTraining, planExits, runningDecider, trainsHead } from "./exit-plan.ts";
import { headStages, type TrainedHead, type TrainedWeights } from "./head-training.ts";
import { firstRight, type Guesses } from "./labels.ts";
import { type FrozenModel, openFrozen } from "./model-head.ts";
import { type DeciderTerms, scoringBy } from "./row-stage.ts";
import { StateCache } from "./states/cache.ts";
import { type CollectTerms, collectStates } from "./states/collect.ts";
import { modelRight, positionsOf, type TrainingStates, trainingStates } from "./training-states.ts";

/** Trained exits, as their files contain them. */
export interface TrainedExits {
  readonly metadata: ExitsFile;
  readonly weights: TrainedWeights;
}

/** The run options for training exits. */
export interface ExitTerms extends DeciderTerms<TrainedExits>, Pick<OpenTerms, "out" | "resumes"> {}

/**
 * Trains a model's exits for a saving: a head after each layer, then the deciders. The model itself is frozen; its
 * states over the texts are stored under MODICUM_HOME for the next run.
 * @throws UserError if the model has too few layers, or the texts are too short
 */
export async function* exitStages(training: ExitTraining, terms: ExitTerms): AsyncGenerator<Stage, TrainedExits, void> {
  const { model, quant, saving, data } = training;
  const plan = await planExits(training);
  const { options, layers, corpus, head } = plan;
  using cache = StateCache.of(plan.states, model.decoder.config.hidden, layers);
  const states = trainingStates(corpus, cache, await fill(cache, model, corpus, terms));
  let frozen: FrozenModel | undefined;
  const heads: TrainedHead[] = [];
  for (const layer of layers) {
    const known = trainsHead(plan, terms, layer) ? undefined : plan.kept.read(layer);
    frozen ??= known ? undefined : await openFrozen(model.source.path, quant, head.tokens);
    const trained = known ?? (yield* headStages(frozen!, states, layer, head, options, terms));
    if (!known) await plan.kept.keep(layer, trained);
    heads.push(trained);
  }
  const guesses = heads.map((each) => each.guesses);
  const deciders: TrainedDecider[] = [];
  const exitsWith = (some: readonly TrainedDecider[]): TrainedExits => ({
    metadata: {
      model: { name: model.source.name, sha256: plan.states.modelSha256 },
      ...model.form,
      ...{ saving, layers: [...layers], head, deciders: some.map((each) => each.metadata) },
      data: { name: data.name, sha256: corpus.sha256, tokens: corpus.blocks.length * corpus.block },
      measured: measure(corpus, states, guesses),
    },
    weights: new Map([...heads, ...some].flatMap((each) => [...each.weights])),
  });
  const running = runningDecider(saving, options.decider!);
  for (const kind of options.decider!) {
    const scoring = kind === running ? scoringBy(terms.scoring, (own: TrainedDecider) => exitsWith([own])) : undefined;
    deciders.push(yield* deciderStages(kind, states, { layers, guesses }, options, { ...terms, scoring }));
  }
  return exitsWith(deciders);
}

/** Computes the states over a corpus that the cache lacks. Returns the FLOPs spent. */
function fill(cache: StateCache, { engine }: LanguageModel, corpus: Corpus, terms: CollectTerms): Promise<number> {
  // Two runs that write to the folder at the same time would leave holes in its files.
  const lock = { signal: terms.signal, purpose: "store the states" };
  return withLock(lockFile(`states ${cache.name}`), lock, () => collectStates(engine, corpus, cache, terms));
}

/** The shares of correct guesses on the test part. */
function measure(corpus: Corpus, states: TrainingStates, guesses: readonly Guesses[]): ExitsFile["measured"] {
  const [from, to] = positionsOf(corpus, corpus.ranges.test);
  const share = (hits: Uint8Array) => hits.subarray(from, to).reduce((sum, hit) => sum + hit, 0) / (to - from);
  const full = modelRight(states);
  const right = [...guesses.map((each) => each.right), full];
  const agree = guesses.map(({ places }) => places.map((place) => (place === 0 ? 1 : 0)));
  return {
    tokens: to - from,
    right: right.map(share),
    agree: [...agree.map(share), 1],
    neverRight: share(firstRight(right).map((first) => (first === 0 ? 1 : 0))),
  };
}
