import type { Engine } from "../../engine/decode/run/engine.ts";
import type { DenoiserConfig } from "../../models/decoder/decoder.ts";
import { decoderArchitecture, isOfKind } from "../../models/registry.ts";
import { UserError } from "../../util/errors.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { JsonObject } from "../../weights/json.ts";
import type { Names } from "../../weights/prepared/names.ts";
import { Part } from "../../weights/prepared/part.ts";
import type { ResolvedModel } from "../../weights/sources/index.ts";
import { type TokenizerFiles, tokenizerFilesOf } from "../../weights/tokenizer/files.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import { writeModel } from "../checkpoint/model.ts";
import { type HuggingFaceCheckpoint, isHuggingFace, widerCheckpoint } from "../checkpoint/wider-checkpoint.ts";
import { recordsIn, textsOf } from "../data/records.ts";
import { sourceOf as contentsOf, type DataFile } from "../data/source.ts";
import { byteTokenizer, characterTokenizer, wordTokenizer } from "../data/tokenizer.ts";
import { frozenBy, tensorsOf } from "../freeze/frozen.ts";
import type { Trainee } from "../graphs/graphs.ts";
import type { NewTokens } from "../methods/method.ts";
import type { TrainOptions } from "../options.ts";
import type { JoinedTensors, ParameterStore } from "../step/parameters.ts";
import { modelOf, newVisionTensors } from "../vision/vision-model.ts";
import { fillRandomly } from "./initial.ts";
import { fillMixers } from "./initial-mixers.ts";
import { writeTokenizer } from "./new-tokens.ts";
import { openTrainee } from "./open-trainee.ts";

/** The opened model that a run starts from. */
export interface Base {
  /** The model's name as the caller wrote it. */
  readonly name: string;
  /** The model's name for other tools, if it differs. */
  readonly hub?: string;
  readonly checkpoint: Checkpoint;
  readonly tokenizer: Tokenizer;
  /** The folder of the model's prepared weights. */
  readonly prepared: string;
  /** The hash, in hex, of a downloaded model; it was checked after the download. */
  readonly sha256?: string;
  /** Set if missing tokens were added to the model. */
  readonly extended?: Extension;
}

/** Describes a base as a resolved model. */
export const sourceOf = ({ name, checkpoint, sha256 }: Base): ResolvedModel => ({
  ...{ name, path: checkpoint.path, bytes: 0, source: "file" },
  ...(sha256 !== undefined && { sha256 }),
});

/** Tokens added to a model. */
export interface Extension {
  /** The folder of the tokenizer's files. */
  readonly folder: string;
  /** The ids of the tokens, ascending; some may replace existing tokens. */
  readonly ids: readonly number[];
  /** The number of rows that the model's tables lack. */
  readonly rows: number;
}

/** A model in training: its graphs, its parameters, and the functions that write it. */
export interface Subject extends Disposable {
  readonly trainee: Trainee;
  readonly store: ParameterStore;
  /** The same model with nothing frozen, to compute the cost of dense training. */
  readonly whole: Trainee;
  /** Loads the values of a PEFT adapter; only for models with LoRA layers. @throws UserError */
  startFrom?(adapter: string): void;
  /**
   * Opens an engine that reads the LoRA layers from the store's memory in each run; only for models with LoRA layers.
   */
  openEngine?(): Promise<Engine>;
  /**
   * Writes a Hugging Face folder (a new model's tokenizer is already in place), or the LoRA layers as a PEFT adapter.
   */
  write(folder: string): Promise<void>;
}

/**
 * Makes a new model's tokenizer, or copies another model's, and writes its files with the special `tokens` into the
 * run's folder.
 * @throws UserError
 */
export async function newTokenizer(
  { tokenizer }: TrainOptions,
  files: readonly DataFile[],
  out: string,
  openBase: (model: string) => Promise<Base>,
  tokens: NewTokens = { names: [] },
): Promise<Tokenizer> {
  return writeTokenizer(await tokenizerFiles(tokenizer, files, openBase), tokens, out);
}

async function tokenizerFiles(
  name: string,
  files: readonly DataFile[],
  openBase: (model: string) => Promise<Base>,
): Promise<TokenizerFiles> {
  switch (name) {
    case "characters":
      return characterTokenizer(files.map((file) => contentsOf(file).text));
    case "bytes":
      return byteTokenizer();
    case "words":
      return wordTokenizer(files.flatMap(textsIn));
    default:
      return tokenizerFilesOf((await openBase(name)).checkpoint);
  }
}

/** The texts in a file, without their JSON. */
function textsIn(file: DataFile): string[] {
  const { text, ...source } = contentsOf(file);
  return source.rows ? recordsIn({ text, ...source }).flatMap(({ record }) => textsOf(record)) : [text];
}

/** The denoiser configuration of a diffusion language model; undefined for other models. @throws UserError */
export async function denoiserOf(options: TrainOptions, base: Base | undefined): Promise<DenoiserConfig | undefined> {
  const checkpoint = base?.checkpoint ?? bare(configOf(options, 1));
  if (!isOfKind("diffusion language model", checkpoint)) return undefined;
  return (await decoderArchitecture(checkpoint)).configure(checkpoint.config).denoiser;
}

/** A new model's configuration. @throws UserError if the options name no architecture */
export function configOf(
  { architecture }: TrainOptions,
  vocabulary: number,
): JsonObject & { readonly model_type: string } {
  const config = { vocab_size: vocabulary, tie_word_embeddings: true, ...architecture } as JsonObject;
  const type = config["model_type"];
  if (typeof type === "string") return { ...config, model_type: type };
  const actual = JSON.stringify(type) ?? "missing";
  throw new UserError(`architecture: model_type is ${actual}, expected a name such as gpt2`, 2);
}

/** The standard deviation of a new model's matrices, from the Hugging Face configuration. @throws UserError */
function deviationOf(config: JsonObject): number | undefined {
  const text = config["text_config"];
  const { initializer_range: range = undefined } = { ...(typeof text === "object" ? text : {}), ...config };
  if (range === undefined || (typeof range === "number" && range > 0)) return range;
  throw new UserError(`architecture: initializer_range is ${JSON.stringify(range)}, expected a number above 0`, 2);
}

/** A checkpoint without tensors. */
export const bare = (config: JsonObject & { readonly model_type: string }): Checkpoint => ({
  ...{ path: "architecture", files: [], architecture: config.model_type, tensors: new Map() },
  config: { kind: "huggingface", path: "architecture", config },
  floats: none,
  form: none,
  blocks: none,
});

/** A model with random weights, from its `architecture`; `vocabulary` is its tokenizer's size. @throws UserError */
export async function newSubject(options: TrainOptions, vocabulary: number): Promise<Subject> {
  const config = configOf(options, vocabulary);
  const hasHead = config["tie_word_embeddings"] === false;
  const checkpoint = bare(config);
  const ofImages = await newVisionTensors(checkpoint);
  const has = (name: string) => (name === "output.weight" && hasHead) || ofImages(name);
  const subject = await opened(checkpoint, options, has);
  const { layers } = subject.trainee.stack;
  fillRandomly(subject.store, layers, options.seed, undefined, deviationOf(config));
  fillMixers(subject.store, layers, options.seed);
  return { ...subject, write: writer(subject.store, config, subject.names) };
}

function none(): never {
  throw new Error("a new model's checkpoint has no tensors");
}

/** A checkpoint's model in float32, with rows for new tokens. @throws UserError */
export async function oldSubject(
  options: TrainOptions,
  checkpoint: Checkpoint,
  extension?: Extension,
): Promise<Subject> {
  checkTrainable(checkpoint);
  const names = (await decoderArchitecture(checkpoint)).tensors(checkpoint);
  const base = extension ? widerCheckpoint(checkpoint, names, extension, options.seed) : checkpoint;
  const part = (name: string, shape?: readonly number[]) => new Part(base, names, name, shape);
  const subject = await opened(base, options, (name) => part(name).exists);
  for (const parameter of subject.store.parameters)
    subject.store.valuesOf(parameter).set(part(parameter.name, parameter.shape).floats());
  return { ...subject, write: writer(subject.store, base.config.config, names, base) };
}

/** @throws UserError for weights that cannot be trained */
export function checkTrainable(checkpoint: Checkpoint): asserts checkpoint is HuggingFaceCheckpoint {
  if ([...checkpoint.tensors.values()].some(({ type }) => type === "MXFP4"))
    throw new UserError(
      `${checkpoint.path}: weights in MXFP4 cannot be trained; use --lora, or the model's weights as floats`,
      2,
    );
  if (isHuggingFace(checkpoint)) return;
  throw new UserError(
    `${checkpoint.path}: a GGUF's own weights cannot be trained; use --lora, or the folder that \`modicum export ${checkpoint.path} DIR --format safetensors\` writes`,
    2,
  );
}

async function opened(checkpoint: Checkpoint, options: TrainOptions, has: (name: string) => boolean) {
  const names = (await decoderArchitecture(checkpoint)).tensors(checkpoint);
  const frozen = (joined: readonly JoinedTensors[]) => frozenBy(options, tensorsOf(joined, checkpoint, names));
  return { ...openTrainee(await modelOf(checkpoint, has, options), options, frozen), names };
}

const writer =
  (store: ParameterStore, config: JsonObject, names: Names, base?: Checkpoint) =>
  (folder: string): Promise<void> =>
    writeModel(folder, {
      ...{ config, names, base },
      tensors: new Map(
        store.parameters.map((p) => [p.name, { shape: p.shape, values: () => store.valuesOf(p).slice() }]),
      ),
    });
