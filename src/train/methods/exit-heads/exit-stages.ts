import path from "node:path";
import { LanguageModel } from "../../../engine/decode/language-model.ts";
import { isOfKind } from "../../../models/registry.ts";
import { processorBits } from "../../../runtime/processor.ts";
import type { ExitsFile } from "../../../savings/depth/exits/artefact.ts";
import { UserError } from "../../../util/errors.ts";
import type { Quant } from "../../../weights/prepared/weights.ts";
import { lockFile } from "../../../weights/sources/home.ts";
import { modelHash, resolveModel } from "../../../weights/sources/index.ts";
import { withLock } from "../../../weights/sources/lock.ts";
import { latestState } from "../../checkpoint/state.ts";
import type { OpenTerms, Stage } from "../../session/stage.ts";
import { type Corpus, corpusOf, documentsOf, frequentTokens } from "./corpus.ts";
import { deciderStages, type TrainedDecider } from "./deciders/train-decider.ts";
import type { ExitHeadsOptions } from "./exit-heads.ts";
import { headName, headStages, type TrainedHead, type TrainedWeights } from "./head-training.ts";
import { KeptHeads } from "./kept-heads.ts";
import { firstRight, type Guesses } from "./labels.ts";
import { type FrozenModel, openFrozen } from "./model-head.ts";
import type { ExitTrainOptions } from "./options.ts";
import { StateCache } from "./states/cache.ts";
import { type CollectTerms, collectStates, type Progress } from "./states/collect.ts";
import { modelRight, positionsOf, type TrainingStates, trainingStates } from "./training-states.ts";
import { writeExits } from "./write.ts";

/** Exits that were trained: the contents of their files. */
export interface TrainedExits {
  readonly about: ExitsFile;
  readonly weights: TrainedWeights;
}

/** The texts to train on, by document, and their name in the record. */
interface ExitData {
  readonly name: string;
  readonly documents: readonly string[];
}

/** The run that trains exits. */
export interface ExitTerms extends CollectTerms, Pick<OpenTerms, "out" | "resumes"> {}

/** A model whose exits are trained, and the saving that they are for. */
export interface ExitTraining {
  readonly model: LanguageModel;
  /** The form in which it was loaded. */
  readonly quant: Quant;
  readonly saving: ExitsFile["saving"];
  readonly data: ExitData;
  readonly options: ExitTrainOptions;
}

/** The training of a model's exits on files of texts, which are written into the run's folder. @throws UserError */
export async function* stagesOfFiles(
  { saving, ...own }: ExitHeadsOptions,
  run: OpenTerms,
): AsyncGenerator<Stage, void> {
  const { model: name, data: files, quant, seed, steps } = run.options;
  if (name === undefined) throw new UserError("model: expected a model whose exits are trained", 2);
  if (steps !== undefined) throw new UserError("steps: expected headEpochs and deciderEpochs in the method", 2);
  const documents = documentsOf(files);
  const { checkpoint } = await run.openBase(name);
  if (!isOfKind("decoder", checkpoint))
    throw new UserError(`model: ${name} is no decoder; expected a model that goes on with a text`, 2);
  using model = await LanguageModel.load(await resolveModel(name), quant);
  const data = { name: files.map((file) => path.basename(file)).join(", "), documents };
  const terms = { ...run, onProgress: inTenths(run.onNotice) };
  await writeExits(run.out, yield* exitStages({ model, quant, saving, data, options: { ...own, seed } }, terms));
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
export async function* exitStages(
  { model, quant, saving, data, options: given }: ExitTraining,
  terms: ExitTerms,
): AsyncGenerator<Stage, TrainedExits, void> {
  const { config } = model.decoder;
  const options = withDefaults(saving, given);
  const layers = exitLayers(options, config.layers);
  if (options.block > config.context)
    throw new UserError(`block: the model reads ${config.context} tokens, got rows of ${options.block}`, 2);
  const corpus = corpusOf(data.documents, model.tokenizer, options);
  const sha256 = await modelHash(model.source);
  using cache = cacheOf(model, quant, sha256, corpus, layers);
  const states = trainingStates(corpus, cache, await fill(cache, model, corpus, terms));
  const head = headOf(corpus, options);
  const kept = new KeptHeads(cache.folder, states.truth.length, head, options);
  let frozen: FrozenModel | undefined;
  const heads: TrainedHead[] = [];
  for (const layer of layers) {
    // A head that this run has begun is a stage of it, also once others have it.
    const known = hasBegun(terms, headName(layer)) ? undefined : kept.read(layer);
    frozen ??= known ? undefined : await openFrozen(model.source.path, quant, head.tokens);
    const trained = known ?? (yield* headStages(frozen!, states, layer, head, options, terms));
    if (!known) await kept.keep(layer, trained);
    heads.push(trained);
  }
  const guesses = heads.map((each) => each.guesses);
  const deciders: TrainedDecider[] = [];
  for (const kind of options.decider!)
    deciders.push(yield* deciderStages(kind, states, { layers, guesses }, options, terms));
  const about: ExitsFile = {
    model: { name: model.source.name, sha256 },
    ...model.form,
    ...{ saving, layers, head, deciders: deciders.map((each) => each.about) },
    data: { name: data.name, sha256: corpus.sha256, tokens: corpus.blocks.length * corpus.block },
    measured: measure(corpus, states, guesses),
  };
  return { about, weights: new Map([...heads, ...deciders].flatMap((each) => [...each.weights])) };
}

/** True if the run goes on, and has a state of that stage. */
const hasBegun = ({ out, resumes }: ExitTerms, stage: string): boolean =>
  resumes && latestState(out, stage) !== undefined;

function cacheOf(
  { decoder, form: { codes } }: LanguageModel,
  quant: Quant,
  modelSha256: string,
  corpus: Corpus,
  layers: readonly number[],
): StateCache {
  // States of the processor's own width have no name for it.
  const form = codes === undefined || codes === processorBits() ? quant : `${quant}-${codes}bit`;
  const key = { modelSha256, quant: form, dataSha256: corpus.sha256, block: corpus.block };
  return StateCache.of(key, decoder.config.hidden, layers);
}

/** Completes the states of a model over a corpus. Returns the FLOPs of that. */
function fill(cache: StateCache, { engine }: LanguageModel, corpus: Corpus, terms: CollectTerms): Promise<number> {
  // Two runs that wrote one folder's files at once would leave holes in them.
  const lock = { signal: terms.signal, purpose: "keep the states" };
  return withLock(lockFile(`states ${cache.name}`), lock, () => collectStates(engine, corpus, cache, terms));
}

function headOf(corpus: Corpus, { head: mode, rank, vocabulary }: ExitTrainOptions): ExitsFile["head"] {
  const tokens = vocabulary === undefined ? undefined : frequentTokens(corpus, vocabulary);
  return { mode, ...(mode === "adapter" && { rank }), ...(tokens && { tokens }) };
}

/** The choices of the saving's paper, unless the options say otherwise. */
function withDefaults(saving: ExitsFile["saving"], options: ExitTrainOptions): ExitTrainOptions {
  const usual = {
    dynamax: { targets: "model", decider: ["linear"] },
    sec: { targets: "text", decider: ["controller"] },
  } as const satisfies Record<ExitsFile["saving"], unknown>;
  const { targets, decider } = usual[saving];
  return { ...options, targets: options.targets ?? targets, decider: options.decider ?? [...decider] };
}

/** Layers with an exit: the last one is the ordinary end, and no exit. @throws UserError if there are none */
export function exitLayers({ from, every }: Pick<ExitTrainOptions, "from" | "every">, depth: number): number[] {
  const first = from ?? Math.max(1, Math.floor(depth / 2));
  if (first >= depth) throw new UserError(`from: the model has ${depth} layers, expected 1 to ${depth - 1}`, 2);
  return Array.from({ length: Math.ceil((depth - first) / every) }, (_, i) => first + i * every);
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
