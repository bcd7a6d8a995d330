import path from "node:path";
import { LanguageModel } from "../../../engine/decode/language-model.ts";
import { isOfKind } from "../../../models/registry.ts";
import type { ExitsFile } from "../../../savings/depth/exits/artefact.ts";
import { UserError } from "../../../util/errors.ts";
import { lockFile } from "../../../weights/sources/home.ts";
import { resolveModel } from "../../../weights/sources/index.ts";
import { withLock } from "../../../weights/sources/lock.ts";
import type { Estimate } from "../../session/estimate.ts";
import type { OpenTerms, Stage } from "../../session/stage.ts";
import { type Corpus, documentsOf } from "./corpus.ts";
import { deciderStages, type TrainedDecider } from "./deciders/train-decider.ts";
import { estimateExits } from "./estimate-exits.ts";
import type { ExitHeadsOptions } from "./exit-heads.ts";
import { type ExitTraining, planExits, stepsOf, trainsHead } from "./exit-plan.ts";
import { headStages, type TrainedHead, type TrainedWeights } from "./head-training.ts";
import { firstRight, type Guesses } from "./labels.ts";
import { type FrozenModel, openFrozen } from "./model-head.ts";
import { StateCache } from "./states/cache.ts";
import { type CollectTerms, collectStates, type Progress } from "./states/collect.ts";
import { modelRight, positionsOf, type TrainingStates, trainingStates } from "./training-states.ts";
import { writeExits } from "./write.ts";

/** Exits that were trained: the contents of their files. */
export interface TrainedExits {
  readonly about: ExitsFile;
  readonly weights: TrainedWeights;
}

/** The run that trains exits. */
export interface ExitTerms extends CollectTerms, Pick<OpenTerms, "out" | "resumes"> {}

/** The training of a model's exits on files of texts, which are written into the run's folder. @throws UserError */
export async function* stagesOfFiles(own: ExitHeadsOptions, run: OpenTerms): AsyncGenerator<Stage, void> {
  const training = await openTraining(own, run);
  using _ = training.model;
  const terms = { ...run, onProgress: inTenths(run.onNotice) };
  await writeExits(run.out, yield* exitStages(training, terms));
}

/** The steps of all these stages. @throws UserError */
export async function stepsOfFiles(own: ExitHeadsOptions, run: OpenTerms): Promise<number> {
  const training = await openTraining(own, run);
  using _ = training.model;
  return stepsOf(await planExits(training), run);
}

/** What all these stages would take. @throws UserError */
export async function estimateOfFiles(own: ExitHeadsOptions, run: OpenTerms): Promise<Estimate> {
  const training = await openTraining(own, run);
  using _ = training.model;
  return await estimateExits(training, run);
}

/** Reads a run's texts and loads its model, which is the caller's. @throws UserError */
async function openTraining({ saving, ...own }: ExitHeadsOptions, run: OpenTerms): Promise<ExitTraining> {
  const { model: name, data: files, quant, seed, steps } = run.options;
  if (name === undefined) throw new UserError("model: expected a model whose exits are trained", 2);
  if (steps !== undefined) throw new UserError("steps: expected headEpochs and deciderEpochs in the method", 2);
  const documents = documentsOf(files);
  const { checkpoint } = await run.openBase(name);
  if (!isOfKind("decoder", checkpoint))
    throw new UserError(`model: ${name} is no decoder; expected a model that goes on with a text`, 2);
  const model = await LanguageModel.load(await resolveModel(name), quant);
  const data = { name: files.map((file) => path.basename(file)).join(", "), documents };
  return { model, quant, saving, data, options: { ...own, seed } };
}

/** A sentence for each tenth of the states, which are read before the first step. */
function inTenths(onNotice: OpenTerms["onNotice"]): (progress: Progress) => void {
  let tenths = -1;
  return ({ stage, done, of }) => {
    const now = Math.floor((10 * done) / of);
    if (stage !== "states" || now === tenths) return;
    tenths = now;
    onNotice?.(`states of the texts: ${done} of ${of}`);
  };
}

/**
 * The training of a model's exits for a saving: a head after each layer, then what decides. The model itself stays as
 * it is; its states over the texts are kept under MODICUM_HOME for the next time.
 * @throws UserError if the model has no such layers, or the texts are too short
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
  for (const kind of options.decider!)
    deciders.push(yield* deciderStages(kind, states, { layers, guesses }, options, terms));
  const about: ExitsFile = {
    model: { name: model.source.name, sha256: plan.states.modelSha256 },
    ...model.form,
    ...{ saving, layers: [...layers], head, deciders: deciders.map((each) => each.about) },
    data: { name: data.name, sha256: corpus.sha256, tokens: corpus.blocks.length * corpus.block },
    measured: measure(corpus, states, guesses),
  };
  return { about, weights: new Map([...heads, ...deciders].flatMap((each) => [...each.weights])) };
}

/** Completes the states of a model over a corpus. Returns the FLOPs of that. */
function fill(cache: StateCache, { engine }: LanguageModel, corpus: Corpus, terms: CollectTerms): Promise<number> {
  // Two runs that wrote one folder's files at once would leave holes in them.
  const lock = { signal: terms.signal, purpose: "keep the states" };
  return withLock(lockFile(`states ${cache.name}`), lock, () => collectStates(engine, corpus, cache, terms));
}

/** Shares of right choices on the test part. */
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
