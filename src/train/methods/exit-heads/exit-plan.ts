import type { LanguageModel } from "../../../engine/decode/language-model.ts";
import { processorBits } from "../../../runtime/processor.ts";
import type { ExitsFile } from "../../../savings/depth/exits/artefact.ts";
import type { DeciderKind } from "../../../savings/depth/exits/deciders.ts";
import { isTrainedHead } from "../../../savings/depth/exits/heads.ts";
import { UserError } from "../../../util/errors.ts";
import type { Quant } from "../../../weights/prepared/weights.ts";
import { modelHash } from "../../../weights/sources/index.ts";
import { latestState } from "../../checkpoint/state.ts";
import type { OpenTerms } from "../../session/stage.ts";
import { type Corpus, corpusOf, frequentTokens } from "./corpus.ts";
import { deciderSteps } from "./deciders/train-decider.ts";
import { headName, headSteps } from "./head-training.ts";
import { KeptHeads } from "./kept-heads.ts";
import type { ExitTrainOptions } from "./options.ts";
import { type StatesKey, statesIn } from "./states/cache.ts";

/** The documents to train on, and their name in the record. */
interface ExitData {
  readonly name: string;
  readonly documents: readonly string[];
}

/** Everything needed to train exits: the model, the data, the options, and the saving that will use the exits. */
export interface ExitTraining {
  readonly model: LanguageModel;
  /** The weight form in which the model was loaded. */
  readonly quant: Quant;
  readonly saving: ExitsFile["saving"];
  readonly data: ExitData;
  readonly options: ExitTrainOptions;
}

/** The plan for training exits, before the model reads any text. */
export interface ExitPlan {
  readonly options: ExitTrainOptions;
  /** Layers with an exit. */
  readonly layers: readonly number[];
  readonly corpus: Corpus;
  readonly head: ExitsFile["head"];
  /** Identifies the model's states over the corpus. */
  readonly states: StatesKey;
  /** Stored heads that earlier runs trained on these states. */
  readonly kept: KeptHeads;
}

/** @throws UserError if the model has too few layers, or the texts are too short */
export async function planExits({ model, quant, saving, data, options: input }: ExitTraining): Promise<ExitPlan> {
  const { config } = model.decoder;
  const options = withDefaults(saving, input);
  const layers = exitLayers(options, config.layers);
  if (options.block > config.context)
    throw new UserError(`block: the model reads at most ${config.context} tokens, got ${options.block}`, 2);
  const corpus = corpusOf(data.documents, model.tokenizer, options);
  const head = headOf(corpus, options);
  const form = { modelSha256: await modelHash(model.source), quant: formOf(model, quant) };
  const states = { ...form, dataSha256: corpus.sha256, block: corpus.block };
  const kept = new KeptHeads(statesIn(states), corpus.blocks.length * corpus.block, head, options);
  return { options, layers, corpus, head, states, kept };
}

/**
 * True if a run must train the head after a layer. A run continues a head that it began, even if another run has
 * finished the same head.
 */
export const trainsHead = ({ kept }: ExitPlan, { out, resumes }: Pick<OpenTerms, "out" | "resumes">, layer: number) =>
  (resumes && latestState(out, headName(layer)) !== undefined) || !kept.has(layer);

/** The number of steps in all stages of a run. */
export function stepsOf(plan: ExitPlan, run: Pick<OpenTerms, "out" | "resumes">): number {
  const { options, layers, corpus, head } = plan;
  const heads = isTrainedHead(head) ? layers.filter((layer) => trainsHead(plan, run, layer)).length : 0;
  const deciders = options.decider!.map((kind) => deciderSteps(kind, corpus, layers.length, options));
  return deciders.reduce((sum, steps) => sum + steps, heads * headSteps(corpus, options));
}

/** The decider that a saving uses for the exits; undefined if it supports no trained decider. */
export function runningDecider(saving: ExitsFile["saving"], deciders: readonly DeciderKind[]): DeciderKind | undefined {
  const kinds = { dynamax: ["linear", "ffn", "mamba"], sec: ["controller"] } as const;
  return kinds[saving].find((kind) => deciders.includes(kind));
}

/** The name of a model's weight form; a bit width that is this processor's default is not part of it. */
function formOf({ form: { quant: running, codes } }: LanguageModel, quant: Quant): string {
  if (running === "q8r") return running;
  return codes === undefined || codes === processorBits() ? quant : `${quant}-${codes}bit`;
}

function headOf(corpus: Corpus, { head: mode, rank, vocabulary }: ExitTrainOptions): ExitsFile["head"] {
  const tokens = vocabulary === undefined ? undefined : frequentTokens(corpus, vocabulary);
  return { mode, ...(mode === "adapter" && { rank }), ...(tokens && { tokens }) };
}

/** Fills in missing options with the choices of the saving's paper. */
export function withDefaults(saving: ExitsFile["saving"], options: ExitTrainOptions): ExitTrainOptions {
  const usual = {
    dynamax: { targets: "model", decider: ["linear"] },
    sec: { targets: "text", decider: ["controller"] },
  } as const satisfies Record<ExitsFile["saving"], unknown>;
  const { targets, decider } = usual[saving];
  return { ...options, targets: options.targets ?? targets, decider: options.decider ?? [...decider] };
}

/** The layers that get an exit; the last layer never does. @throws UserError if no layer gets one */
export function exitLayers({ from, every }: Pick<ExitTrainOptions, "from" | "every">, depth: number): number[] {
  const first = from ?? Math.max(1, Math.floor(depth / 2));
  if (first >= depth) throw new UserError(`from: the model has ${depth} layers, expected 1 to ${depth - 1}`, 2);
  return Array.from({ length: Math.ceil((depth - first) / every) }, (_, i) => first + i * every);
}
