import type { CodeBits, Digits } from "../graph/index.ts";
import { suggest, UserError } from "../util/errors.ts";
import type { HeadModules } from "../weights/adapter/head.ts";
import type { Lora } from "../weights/adapter/lora.ts";
import { type Layout, LoraLayers } from "../weights/adapter/lora-layers.ts";
import type { Checkpoint } from "../weights/checkpoint.ts";
import { ModelFault } from "../weights/model-fault.ts";
import { ByteWeights } from "../weights/prepared/byte-weights.ts";
import type { Names } from "../weights/prepared/names.ts";
import { type Quant, Weights } from "../weights/prepared/weights.ts";
import { layoutOf } from "./adapter-layout.ts";
import type { EncoderArchitecture } from "./architecture.ts";
import { bert } from "./bert.ts";
import { clip } from "./clip.ts";
import type { Architecture, Decoder } from "./decoder.ts";
import { dinov2 } from "./dinov2.ts";
import { distilbert } from "./distilbert.ts";
import { dream } from "./dream.ts";
import type { Encoder } from "./encoder.ts";
import { ernie45 } from "./ernie4_5.ts";
import { gemma2 } from "./gemma2.ts";
import { gemma3 } from "./gemma3.ts";
import { gpt2 } from "./gpt2.ts";
import { granite } from "./granite.ts";
import { graniteMoe } from "./granitemoe.ts";
import { idefics3 } from "./idefics3.ts";
import type { ImageGenerator, ImageGeneratorArchitecture } from "./image-generator.ts";
import type { ImageTextArchitecture } from "./image-text.ts";
import type { ImageArchitecture } from "./images.ts";
import { jetmoe } from "./jetmoe.ts";
import { llada } from "./llada.ts";
import { llama } from "./llama.ts";
import { llava } from "./llava.ts";
import { llavaNext } from "./llava-next.ts";
import { mambaArchitecture } from "./mamba.ts";
import { mamba2Architecture } from "./mamba2.ts";
import { mistral } from "./mistral.ts";
import { mixtral } from "./mixtral.ts";
import { modernbert } from "./modernbert.ts";
import { mpnet } from "./mpnet.ts";
import { nomicbert } from "./nomicbert.ts";
import { olmo2 } from "./olmo2.ts";
import { olmoe } from "./olmoe.ts";
import { phi3 } from "./phi3.ts";
import { qwen2 } from "./qwen2.ts";
import { qwen2Moe } from "./qwen2-moe.ts";
import { qwen2Vl } from "./qwen2-vl.ts";
import { qwen3 } from "./qwen3.ts";
import { qwen3Moe } from "./qwen3-moe.ts";
import { rnnArchitecture } from "./rnn.ts";
import { roberta } from "./roberta.ts";
import type { Seq2Seq, Seq2SeqArchitecture } from "./seq2seq.ts";
import { siglip } from "./siglip.ts";
import { smollm3 } from "./smollm3.ts";
import { stableDiffusion } from "./stable-diffusion.ts";
import { t5 } from "./t5.ts";
import { t5Encoder } from "./t5-encoder.ts";
import { unet2d, withFlatKernels } from "./unet2d.ts";
import type { VisionLanguageArchitecture } from "./vision.ts";
import { vit } from "./vit.ts";
import { without } from "./without.ts";

/** Every supported decoder, one line each. */
const decoders: readonly Architecture[] = [
  ernie45,
  gemma2,
  gemma3,
  gpt2,
  granite,
  graniteMoe,
  jetmoe,
  llama,
  mambaArchitecture,
  mamba2Architecture,
  mistral,
  mixtral,
  olmo2,
  olmoe,
  phi3,
  qwen2,
  qwen2Moe,
  qwen3,
  qwen3Moe,
  rnnArchitecture,
  smollm3,
];

/** Every supported model that fills in masked tokens, one line each: stacks of a decoder's blocks. */
const denoisers: readonly Architecture[] = [dream, llada];

/** Every supported decoder that reads images, too, one line each. */
const visionLanguages: readonly VisionLanguageArchitecture[] = [idefics3, llava, llavaNext, qwen2Vl];

const stacks: readonly Architecture[] = [...decoders, ...denoisers, ...visionLanguages];

/** Every supported encoder, one line each. */
const encoders: readonly EncoderArchitecture[] = [bert, distilbert, modernbert, mpnet, nomicbert, roberta, t5Encoder];

/** Every supported encoder–decoder, one line each. */
const seq2seqs: readonly Seq2SeqArchitecture[] = [t5];

/** Every supported pair of an image's and a text's encoder, one line each. */
const imageTexts: readonly ImageTextArchitecture[] = [clip, siglip];

/** Every supported encoder of images alone, one line each. */
const imageEncoders: readonly ImageArchitecture[] = [dinov2, vit];

/** Every supported diffusion model of images, one line each. */
const imageGenerators: readonly ImageGeneratorArchitecture[] = [stableDiffusion, unet2d];

const architectures = {
  decoder: decoders,
  "vision–language model": visionLanguages,
  "diffusion language model": denoisers,
  encoder: encoders,
  "encoder with a decoder": seq2seqs,
  "encoder of images and texts": imageTexts,
  "image encoder": imageEncoders,
  "image generator": imageGenerators,
};

/** The kinds that an architecture of this room is of. */
export type ArchitectureKind = keyof typeof architectures;

interface Named {
  readonly names: readonly string[];
}

/** True if a checkpoint's architecture is of this kind. */
export const isOfKind = (kind: ArchitectureKind, { architecture }: Checkpoint): boolean =>
  architectures[kind].some(({ names }: Named) => names.includes(architecture));

/** The refusal of a checkpoint that is of no architecture of this room. */
export function unsupported({ path, architecture: name }: Checkpoint): ModelFault {
  const all = allNames();
  return new ModelFault(
    `${path}: architecture "${name}" is not supported (supported: ${all.join(", ")})${suggest(name, all)}`,
  );
}

const allNames = (): string[] =>
  Object.values(architectures).flatMap((some) => some.flatMap(({ names }: Named) => names));

/** The checkpoint's architecture among `known`. @throws UserError if there is none of its name */
function architectureOf<A extends Named>(checkpoint: Checkpoint, known: readonly A[]): A {
  const { path, architecture: name } = checkpoint;
  const found = known.find(({ names }) => names.includes(name));
  if (found) return found;
  if (!allNames().includes(name)) throw unsupported(checkpoint);
  const expected = known.flatMap(({ names }) => names).join(", ");
  throw new UserError(`${path}: architecture "${name}" is of another kind, expected one of ${expected}`);
}

/** True if a decoder's checkpoint has parts that are not read, such as those for images. */
export const readsTextAlone = (checkpoint: Checkpoint): boolean =>
  architectureOf(checkpoint, stacks).unread(checkpoint).length > 0;

/** The architecture of the checkpoint of a decoder, or of a diffusion language model. @throws UserError if it is of another kind or unknown */
export const decoderArchitecture = (checkpoint: Checkpoint): Architecture => architectureOf(checkpoint, stacks);

/** Like `decoderArchitecture`, for encoders. */
export const encoderArchitecture = (checkpoint: Checkpoint): EncoderArchitecture =>
  architectureOf(checkpoint, encoders);

/** A decoder and the weights that its graphs are traced with. */
export interface OpenDecoder {
  readonly decoder: Decoder;
  readonly weights: Weights;
}

/**
 * Opens a checkpoint as a decoder, or as the same stack of a diffusion language model; its prepared weights are kept under `folder`. With an adapter, which stays apart
 * from the weights, it computes the sum of both. `fewestBits` is the least width of codes, not the one chosen for the model here.
 * @throws UserError if the decoder is not supported
 */
export function openDecoder(
  whole: Checkpoint,
  folder: string,
  quant: Quant = "auto",
  adapter?: Lora,
  fewestBits?: CodeBits,
): OpenDecoder {
  return openStack(
    whole,
    adapter,
    (checkpoint, names, lora) => new Weights(checkpoint, folder, quant, names, fewestBits, lora),
  );
}

/** Like `openDecoder`, with the matrices rounded to so many bytes a weight, for prompts alone. */
export const openInBytes = (whole: Checkpoint, folder: string, digits: Digits, adapter?: Lora): OpenDecoder =>
  openStack(whole, adapter, (checkpoint, names, lora) => new ByteWeights(checkpoint, folder, digits, names, lora));

function openStack(
  whole: Checkpoint,
  adapter: Lora | undefined,
  make: (checkpoint: Checkpoint, names: Names, loraLayers?: LoraLayers) => Weights,
): OpenDecoder {
  const architecture = architectureOf(whole, stacks);
  const checkpoint = without(whole, architecture.unread(whole));
  const open = (loraLayers?: LoraLayers): OpenDecoder => {
    const weights = make(checkpoint, architecture.tensors(checkpoint), loraLayers);
    return { decoder: architecture.open(weights), weights };
  };
  const plain = open();
  return adapter ? open(new LoraLayers(adapter, layoutOf(checkpoint, architecture, plain.decoder))) : plain;
}

/** Modules that an adapter may replace entirely; undefined if none: a GGUF's tensors have other names than PEFT's. */
export function headModules(checkpoint: Checkpoint): HeadModules | undefined {
  if (checkpoint.config.kind === "gguf" || !isOfKind("encoder", checkpoint)) return undefined;
  const { modules } = architectureOf(checkpoint, encoders);
  return { all: ["cls", "cls.norm", "cls.output"].flatMap(modules), output: modules("cls.output")[0]! };
}

/** An encoder and the weights that its graphs are traced with. */
export interface OpenEncoder {
  readonly encoder: Encoder;
  readonly weights: Weights;
}

/** Like `openDecoder`, for encoders. */
export function openEncoder(
  checkpoint: Checkpoint,
  folder: string,
  quant: Quant = "auto",
  adapter?: Lora,
): OpenEncoder {
  const architecture = architectureOf(checkpoint, encoders);
  // GGUF has one name for several of Hugging Face's.
  const kin = checkpoint.config.kind === "gguf" ? encoders : [architecture];
  const loraLayers = loraLayersOf(adapter, (canonical) => kin.flatMap((a) => a.modules(canonical)));
  const weights = new Weights(checkpoint, folder, quant, architecture.tensors(checkpoint), undefined, loraLayers);
  return { encoder: architecture.open(weights), weights };
}

/** An encoder–decoder and the weights that its graphs are traced with. */
export interface OpenSeq2Seq {
  readonly model: Seq2Seq;
  readonly weights: Weights;
}

/** Like `openDecoder`, for encoder–decoders. */
export function openSeq2Seq(
  checkpoint: Checkpoint,
  folder: string,
  quant: Quant = "auto",
  adapter?: Lora,
): OpenSeq2Seq {
  const architecture = architectureOf(checkpoint, seq2seqs);
  const loraLayers = loraLayersOf(adapter, architecture.modules(checkpoint));
  const used = without(checkpoint, architecture.unread(checkpoint));
  const weights = new Weights(used, folder, quant, architecture.tensors(used), undefined, loraLayers);
  return { model: architecture.open(weights), weights };
}

/** The architecture of an encoder of images and texts. @throws UserError if it is of another kind or unknown */
export const imageTextArchitecture = (checkpoint: Checkpoint): ImageTextArchitecture =>
  architectureOf(checkpoint, imageTexts);

/** Like `imageTextArchitecture`, for encoders of images alone. */
export const imageArchitecture = (checkpoint: Checkpoint): ImageArchitecture =>
  architectureOf(checkpoint, imageEncoders);

/** The architecture of a vision–language model's checkpoint. @throws UserError if it is of another kind or unknown */
export const visionArchitecture = (checkpoint: Checkpoint): VisionLanguageArchitecture =>
  architectureOf(checkpoint, visionLanguages);

/** A diffusion model of images, and the weights that its graphs are traced with. */
export interface OpenImageGenerator {
  readonly model: ImageGenerator;
  readonly weights: Weights;
}

/** Like `openDecoder`, for diffusion models of images, which take no adapter and run in float32. */
export function openImageGenerator(checkpoint: Checkpoint, folder: string): OpenImageGenerator {
  const architecture = architectureOf(checkpoint, imageGenerators);
  const used = without(checkpoint, architecture.unread(checkpoint));
  const weights = new Weights(withFlatKernels(used), folder, "f32", architecture.tensors(used));
  return { model: architecture.open(weights), weights };
}

const loraLayersOf = (adapter: Lora | undefined, modules: Layout["modules"]): LoraLayers | undefined =>
  adapter && new LoraLayers(adapter, { modules, row: (_, row) => row });
