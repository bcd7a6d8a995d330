import type { ByteForm, CodeBits } from "../graph/index.ts";
import { namesByteProducts } from "../runtime/processor.ts";
import { suggest, UserError } from "../util/errors.ts";
import type { HeadModules } from "../weights/adapter/head.ts";
import type { Lora } from "../weights/adapter/lora.ts";
import { type Layout, LoraLayers } from "../weights/adapter/lora-layers.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { ModelFault } from "../weights/model-fault.ts";
import { ByteWeights } from "../weights/prepared/byte-weights.ts";
import type { Names } from "../weights/prepared/names.ts";
import { type Quant, Weights } from "../weights/prepared/weights.ts";
import type { EncoderArchitecture, Entry } from "./architecture.ts";
import {
  type ArchitectureKind,
  architectures,
  decoders,
  denoisers,
  encoders,
  imageEncoders,
  imageGenerators,
  imageTexts,
  seq2seqs,
  visionLanguages,
} from "./architectures/index.ts";
import { type Architecture, type Decoder, type DecoderConfig, unsupportedInBytes } from "./decoder/decoder.ts";
import type { Encoder, TextEncoder } from "./encoder/encoder.ts";
import type { ImageGenerator } from "./image-generator/image-generator.ts";
import type { ImageTextArchitecture } from "./images/image-text.ts";
import type { ImageArchitecture } from "./images/images.ts";
import type { VisionLanguageArchitecture } from "./images/vision.ts";
import type { Seq2Seq } from "./seq2seq/seq2seq.ts";
import { layoutOf } from "./tensors/adapter-layout.ts";
import { withFlatKernels, without } from "./tensors/changed-checkpoints.ts";

/** All architectures that `openDecoder` opens as stacks of layers. */
const stacks: readonly Entry<Architecture>[] = [...decoders, ...denoisers, ...visionLanguages];

/** True if a checkpoint's architecture is of this kind. */
export const isOfKind = (kind: ArchitectureKind, checkpoint: Checkpoint): boolean =>
  architectures[kind].some(
    ({ names, serves }: Entry<unknown>) => names.includes(checkpoint.architecture) && (serves?.(checkpoint) ?? true),
  );

/** The error for a checkpoint with an unknown architecture: names the nearest architecture, or else all of them. */
export async function unsupported(checkpoint: Checkpoint): Promise<ModelFault> {
  const { path, architecture: name } = checkpoint;
  const { nearestArchitecture } = await import("./nearest.ts");
  const near = await nearestArchitecture(checkpoint, [...decoders, ...denoisers], encoders);
  if (near === undefined) return unknown(checkpoint);
  return new ModelFault(`${path}: architecture "${name}" is not supported; ${near}`);
}

/** Like `unsupported`, without reading the checkpoint's tensors. */
export function unknown({ path, architecture: name }: Checkpoint): ModelFault {
  const all = allNames();
  return new ModelFault(
    `${path}: architecture "${name}" is not supported (supported: ${all.join(", ")})${suggest(name, all)}`,
  );
}

/** An architecture of two kinds, such as a decoder that may read images, is listed once. */
const allNames = (): string[] => [
  ...new Set(Object.values(architectures).flatMap((some) => some.flatMap(({ names }: Entry<unknown>) => names))),
];

/** The checkpoint's architecture among `known`. @throws UserError if no known architecture has its name */
async function architectureOf<A>(checkpoint: Checkpoint, known: readonly Entry<A>[]): Promise<A> {
  const { path, architecture: name } = checkpoint;
  const found = known.find(({ names }) => names.includes(name));
  if (found) return found.load();
  if (!allNames().includes(name)) throw await unsupported(checkpoint);
  const expected = known.flatMap(({ names }) => names).join(", ");
  throw new UserError(`${path}: architecture "${name}" is of another kind; expected one of ${expected}`);
}

/** True if a decoder's checkpoint has an image encoder that is not used. */
export const readsTextAlone = async (checkpoint: Checkpoint): Promise<boolean> =>
  (await architectureOf(checkpoint, stacks))
    .unread(checkpoint)
    .some((tensor) => /(^|\.)(vision_|visual\.)/.test(tensor));

/** True if a decoder's tokens also see later tokens: it embeds texts and does not generate. */
export const seesBothWays = ({ config, architecture }: Checkpoint): boolean =>
  config.kind === "huggingface"
    ? config.config["use_bidirectional_attention"] === true
    : architecture === "gemma-embedding";

/** The architecture of a decoder or diffusion language model. @throws UserError if it is of another kind or unknown */
export async function decoderArchitecture(checkpoint: Checkpoint): Promise<Architecture> {
  const architecture = await architectureOf(checkpoint, stacks);
  if (!seesBothWays(checkpoint)) return architecture;
  const { path } = checkpoint.config;
  throw new UserError(`${path}: its tokens see later tokens; it embeds texts and cannot generate`);
}

/** Like `decoderArchitecture`, for encoders. */
export const encoderArchitecture = (checkpoint: Checkpoint): Promise<EncoderArchitecture> =>
  architectureOf(checkpoint, encoders);

/** A decoder, with the weights for its graphs. */
export interface OpenDecoder {
  readonly decoder: Decoder;
  readonly weights: Weights;
}

/**
 * Opens a checkpoint as a decoder, or a diffusion language model's layers; prepared weights are stored under `folder`.
 * An adapter stays separate from the weights, and its products are added to theirs. `fewestBits` is the smallest code
 * width allowed, by default the width chosen for the model on this machine.
 * @throws UserError if the decoder is not supported
 */
export async function openDecoder(
  whole: Checkpoint,
  folder: string,
  quant: Quant = "auto",
  adapter?: Lora,
  fewestBits?: CodeBits,
): Promise<OpenDecoder> {
  const opened = openStack(
    await decoderArchitecture(whole),
    whole,
    adapter,
    (checkpoint, names, lora) => new Weights(checkpoint, folder, quant, names, fewestBits, lora),
  );
  requireForm(quant, whole, opened.decoder.config);
  return opened;
}

/** `config` is given for decoders. @throws UserError if this model or processor does not support weights in this form */
export function requireForm(quant: Quant, checkpoint: Checkpoint, config?: DecoderConfig): void {
  if (quant !== "q8r") return;
  if (!config || !isOfKind("decoder", checkpoint))
    throw new UserError(`${checkpoint.path}: q8r is only for text decoders; expected auto, f32, q8 or q4`, 2);
  const why = unsupportedInBytes(config);
  if (why !== undefined) throw new UserError(`${checkpoint.path}: q8r does not support this model: it has ${why}`, 2);
  if (!namesByteProducts())
    throw new UserError(
      "q8r: expected a processor with byte dot products (VNNI, AMX, dotprod), which this one does not list",
      2,
    );
}

/** Like `openDecoder`, but returns a function that opens the decoder with byte matrices, for prompts only. */
export async function openInBytes(
  whole: Checkpoint,
  folder: string,
  adapter?: Lora,
): Promise<(form: ByteForm) => OpenDecoder> {
  const architecture = await decoderArchitecture(whole);
  return (form) =>
    openStack(
      architecture,
      whole,
      adapter,
      (checkpoint, names, lora) => new ByteWeights(checkpoint, folder, form, names, lora),
    );
}

function openStack(
  architecture: Architecture,
  whole: Checkpoint,
  adapter: Lora | undefined,
  make: (checkpoint: Checkpoint, names: Names, loraLayers?: LoraLayers) => Weights,
): OpenDecoder {
  const checkpoint = without(whole, architecture.unread(whole));
  const open = (loraLayers?: LoraLayers): OpenDecoder => {
    const weights = make(checkpoint, architecture.tensors(checkpoint), loraLayers);
    return { decoder: architecture.open(weights), weights };
  };
  const plain = open();
  return adapter ? open(new LoraLayers(adapter, layoutOf(checkpoint, architecture, plain.decoder))) : plain;
}

/**
 * Modules that an adapter may replace entirely; undefined for a GGUF, whose tensors have different names from PEFT's.
 */
export async function headModules(checkpoint: Checkpoint): Promise<HeadModules | undefined> {
  const { config } = checkpoint;
  if (config.kind === "gguf") return undefined;
  if (isOfKind("decoder", checkpoint)) {
    const { modules } = await architectureOf(checkpoint, stacks);
    return { all: ["token_embd", "output"].flatMap((name) => modules(name, config)) };
  }
  if (!isOfKind("encoder", checkpoint)) return undefined;
  const { modules } = await architectureOf(checkpoint, encoders);
  const all = ["cls", "cls.norm", "cls.output"].flatMap(modules);
  const tables = modules("token_embd");
  const prefix = tables[0]!.slice(0, tables[0]!.length - Math.min(...tables.map(({ length }) => length)));
  return { all, classifier: { className: classifierClass(checkpoint), output: modules("cls.output")[0]!, prefix } };
}

/** transformers' class of an encoder with a classifier. */
export const classifierClass = ({ architecture }: Checkpoint): string =>
  `${classifiers[architecture] ?? ""}ForSequenceClassification`;

const classifiers: Readonly<Record<string, string>> = {
  bert: "Bert",
  distilbert: "DistilBert",
  modernbert: "ModernBert",
  mpnet: "MPNet",
  nomic_bert: "NomicBert",
  roberta: "Roberta",
  "xlm-roberta": "XLMRoberta",
};

/** An encoder, with the weights for its graphs. */
export interface OpenEncoder {
  readonly encoder: Encoder;
  readonly weights: Weights;
}

/** Like `openDecoder`, for encoders. */
export async function openEncoder(
  checkpoint: Checkpoint,
  folder: string,
  quant: Quant = "auto",
  adapter?: Lora,
): Promise<OpenEncoder> {
  requireForm(quant, checkpoint);
  const architecture = await architectureOf(checkpoint, encoders);
  // GGUF uses one name for several of Hugging Face's architectures.
  const isGguf = adapter && checkpoint.config.kind === "gguf";
  const kin = isGguf ? await Promise.all(encoders.map(({ load }) => load())) : [architecture];
  const loraLayers = loraLayersOf(adapter, (canonical) => kin.flatMap((a) => a.modules(canonical)));
  const weights = new Weights(checkpoint, folder, quant, architecture.tensors(checkpoint), undefined, loraLayers);
  return { encoder: architecture.open(weights), weights };
}

/** Like `openEncoder`, but also opens a decoder that reads whole texts. */
export async function openTextEncoder(
  checkpoint: Checkpoint,
  folder: string,
  quant: Quant = "auto",
  adapter?: Lora,
): Promise<{ readonly encoder: TextEncoder; readonly weights: Weights }> {
  if (isOfKind("encoder", checkpoint)) return openEncoder(checkpoint, folder, quant, adapter);
  requireForm(quant, checkpoint);
  const architecture = await architectureOf(checkpoint, decoders);
  const { DecoderEncoder } = await import("./encoder/decoder-encoder.ts");
  const { decoder, weights } = openStack(
    architecture,
    checkpoint,
    adapter,
    (used, names, lora) => new Weights(used, folder, quant, names, undefined, lora),
  );
  return { encoder: new DecoderEncoder(decoder, weights), weights };
}

/** An encoder–decoder, with the weights for its graphs. */
export interface OpenSeq2Seq {
  readonly model: Seq2Seq;
  readonly weights: Weights;
}

/** Like `openDecoder`, for encoder–decoders. */
export async function openSeq2Seq(
  checkpoint: Checkpoint,
  folder: string,
  quant: Quant = "auto",
  adapter?: Lora,
): Promise<OpenSeq2Seq> {
  requireForm(quant, checkpoint);
  const architecture = await architectureOf(checkpoint, seq2seqs);
  const loraLayers = loraLayersOf(adapter, architecture.modules(checkpoint));
  const used = without(checkpoint, architecture.unread(checkpoint));
  const weights = new Weights(used, folder, quant, architecture.tensors(used), undefined, loraLayers);
  return { model: architecture.open(weights), weights };
}

/** The architecture of an encoder of images and texts. @throws UserError if it is of another kind or unknown */
export const imageTextArchitecture = (checkpoint: Checkpoint): Promise<ImageTextArchitecture> =>
  architectureOf(checkpoint, imageTexts);

/** Like `imageTextArchitecture`, for image-only encoders. */
export const imageArchitecture = (checkpoint: Checkpoint): Promise<ImageArchitecture> =>
  architectureOf(checkpoint, imageEncoders);

/** The architecture of a vision–language model's checkpoint. @throws UserError if it is of another kind or unknown */
export const visionArchitecture = (checkpoint: Checkpoint): Promise<VisionLanguageArchitecture> =>
  architectureOf(checkpoint, visionLanguages);

/** An image diffusion model, with the weights for its graphs. */
export interface OpenImageGenerator {
  readonly model: ImageGenerator;
  readonly weights: Weights;
}

/** Like `openDecoder`, for image diffusion models, which support no adapter and run in float32. */
export async function openImageGenerator(checkpoint: Checkpoint, folder: string): Promise<OpenImageGenerator> {
  const architecture = await architectureOf(checkpoint, imageGenerators);
  const used = without(checkpoint, architecture.unread(checkpoint));
  const weights = new Weights(withFlatKernels(used), folder, "f32", architecture.tensors(used));
  return { model: architecture.open(weights), weights };
}

const loraLayersOf = (adapter: Lora | undefined, modules: Layout["modules"]): LoraLayers | undefined =>
  adapter && new LoraLayers(adapter, { modules, row: (_, row) => row });
