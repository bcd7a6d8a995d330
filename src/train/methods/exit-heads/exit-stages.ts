import path from "node:path";
import type { LanguageModel } from "../../../engine/decode/language-model.ts";
import { processorBits } from "../../../runtime/processor.ts";
import type { ExitsFile } from "../../../savings/depth/exits/artefact.ts";
import type { ExitHeadSettings } from "../../../savings/depth/exits/heads.ts";
import { UserError } from "../../../util/errors.ts";
import type { Quant } from "../../../weights/prepared/weights.ts";
import { lockFile } from "../../../weights/sources/home.ts";
import { withLock } from "../../../weights/sources/lock.ts";
import { modelHash } from "../../../weights/sources/model-hash.ts";
import { type Corpus, corpusOf, frequentTokens } from "./corpus.ts";
import { type TrainedDecider, trainDecider } from "./deciders/train-decider.ts";
import { type TrainedHead, type TrainedWeights, trainHead } from "./head-training.ts";
import { KeptFits } from "./kept-fits.ts";
import { KeptHeads } from "./kept-heads.ts";
import { firstRight, type Guesses } from "./labels.ts";
import { type FrozenModel, openFrozen } from "./model-head.ts";
import type { ExitTrainOptions } from "./options.ts";
import { StateCache } from "./states/cache.ts";
import { type CollectTerms, collectStates } from "./states/collect.ts";
import { modelRight, positionsOf, type TrainingStates, trainingStates } from "./training-states.ts";

/** Exits that were trained: the contents of their files. */
export interface TrainedExits {
  readonly about: ExitsFile;
  readonly weights: TrainedWeights;
}

/** The texts to train on, by document, and their name in the record. */
export interface ExitData {
  readonly name: string;
  readonly documents: readonly string[];
}

/** The form in which a model is loaded. */
export interface TrainExitsTerms extends CollectTerms {
  readonly quant: Quant;
}

/**
 * Trains exits of a model for a saving. The model itself stays as it is; its states over the texts are kept under
 * MODICUM_HOME for the next time.
 * @throws UserError if the model has no such layers, or the texts are too short
 */
export async function trainExits(
  model: LanguageModel,
  saving: ExitsFile["saving"],
  data: ExitData,
  given: ExitTrainOptions,
  how: TrainExitsTerms,
): Promise<TrainedExits> {
  const { config } = model.decoder;
  const options = withDefaults(saving, given);
  const layers = exitLayers(options, config.layers);
  if (options.block > config.context)
    throw new UserError(`block: the model reads ${config.context} tokens, got rows of ${options.block}`, 2);
  const corpus = corpusOf(data.documents, model.tokenizer, options);
  const sha256 = await modelHash(model.source);
  using cache = await statesOf(model, sha256, corpus, layers, how);
  const fits = new KeptFits(cache.folder, options);
  const terms = { ...how, fits };
  const states = trainingStates(corpus, cache);
  const head = headOf(corpus, options);
  const heads = await trainHeads(model, states, layers, head, options, terms);
  const guesses = heads.map((each) => each.guesses);
  const exits = { layers, guesses };
  const deciders: TrainedDecider[] = [];
  for (const kind of options.decider!) deciders.push(await trainDecider(kind, states, exits, options, terms));
  await fits.remove();
  const about: ExitsFile = {
    model: { name: model.source.name, sha256 },
    ...model.form,
    ...{ saving, layers, head, deciders: deciders.map((each) => each.about) },
    data: { name: data.name, sha256: corpus.sha256, tokens: corpus.blocks.length * corpus.block },
    measured: measure(corpus, states, guesses),
  };
  return { about, weights: new Map([...heads, ...deciders].flatMap((each) => [...each.weights])) };
}

/** The states of a model over a corpus, complete. */
async function statesOf(
  { engine, decoder, form: { codes } }: LanguageModel,
  modelSha256: string,
  corpus: Corpus,
  layers: readonly number[],
  terms: TrainExitsTerms,
): Promise<StateCache> {
  // States of the processor's own width have no name for it.
  const form = codes === undefined || codes === processorBits() ? terms.quant : `${terms.quant}-${codes}bit`;
  const key = { modelSha256, quant: form, dataSha256: corpus.sha256, block: corpus.block };
  const cache = StateCache.of(key, decoder.config.hidden, layers);
  // Two runs that wrote one folder's files at once would leave holes in them.
  const lock = { signal: terms.signal, purpose: "keep the states" };
  await withLock(lockFile(`states ${path.basename(cache.folder)}`), lock, () =>
    collectStates(engine, corpus, cache, terms),
  );
  return cache;
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

async function trainHeads(
  { source }: LanguageModel,
  states: TrainingStates,
  layers: readonly number[],
  settings: ExitHeadSettings,
  options: ExitTrainOptions,
  terms: TrainExitsTerms,
): Promise<TrainedHead[]> {
  const { cache, truth } = states;
  const kept = new KeptHeads(cache.folder, truth.length, settings, options);
  let frozen: FrozenModel | undefined;
  const heads: TrainedHead[] = [];
  for (const layer of layers) {
    const known = kept.read(layer);
    frozen ??= known ? undefined : await openFrozen(source.path, terms.quant, settings.tokens);
    const head = known ?? (await trainHead(frozen!, states, layer, settings, options, terms));
    if (!known) await kept.keep(layer, head);
    heads.push(head);
  }
  return heads;
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
