import { existsSync } from "node:fs";
import path from "node:path";
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
import type { EncoderArchitecture, Listed } from "./architecture.ts";
import { type Architecture, type Decoder, type DecoderConfig, unsupportedInBytes } from "./decoder/decoder.ts";
import type { Encoder, TextEncoder } from "./encoder/encoder.ts";
import type { ImageGenerator, ImageGeneratorArchitecture } from "./image-generator/image-generator.ts";
import type { ImageTextArchitecture } from "./images/image-text.ts";
import type { ImageArchitecture } from "./images/images.ts";
import type { VisionLanguageArchitecture } from "./images/vision.ts";
import type { Seq2Seq, Seq2SeqArchitecture } from "./seq2seq/seq2seq.ts";
import { layoutOf } from "./tensors/adapter-layout.ts";
import { withFlatKernels, without } from "./tensors/changed-checkpoints.ts";

/** Every supported decoder, one line each. */
const decoders: readonly Listed<Architecture>[] = [
  {
    names: ["deepseek2", "deepseek_v2"],
    load: async () => (await import("./architectures/deepseek-v2.ts")).deepSeekV2,
  },
  { names: ["deepseek_v3"], load: async () => (await import("./architectures/deepseek-v3.ts")).deepSeekV3 },
  { names: ["cohere2"], load: async () => (await import("./architectures/cohere2.ts")).cohere2 },
  { names: ["ernie4_5"], load: async () => (await import("./architectures/ernie4_5.ts")).ernie45 },
  { names: ["exaone4"], load: async () => (await import("./architectures/exaone4.ts")).exaone4 },
  { names: ["falcon-h1", "falcon_h1"], load: async () => (await import("./architectures/falcon-h1.ts")).falconH1 },
  { names: ["gemma2"], load: async () => (await import("./architectures/gemma2.ts")).gemma2 },
  { names: ["gemma3", "gemma3_text"], load: async () => (await import("./architectures/gemma3.ts")).gemma3 },
  { names: ["gemma4", "gemma4_text"], load: async () => (await import("./architectures/gemma4.ts")).gemma4 },
  { names: ["glm4moe", "glm4_moe"], load: async () => (await import("./architectures/glm4-moe.ts")).glm4Moe },
  { names: ["gpt2"], load: async () => (await import("./architectures/gpt2.ts")).gpt2 },
  { names: ["gpt-oss", "gpt_oss"], load: async () => (await import("./architectures/gpt-oss.ts")).gptOss },
  { names: ["granite"], load: async () => (await import("./architectures/granite.ts")).granite },
  { names: ["granitemoe"], load: async () => (await import("./architectures/granitemoe.ts")).graniteMoe },
  {
    names: ["granitehybrid", "granitemoehybrid"],
    load: async () => (await import("./architectures/granitemoehybrid.ts")).graniteMoeHybrid,
  },
  { names: ["jetmoe"], load: async () => (await import("./architectures/jetmoe.ts")).jetmoe },
  { names: ["lfm2"], load: async () => (await import("./architectures/lfm2.ts")).lfm2 },
  { names: ["lfm2moe", "lfm2_moe"], load: async () => (await import("./architectures/lfm2-moe.ts")).lfm2Moe },
  { names: ["llama"], load: async () => (await import("./architectures/llama.ts")).llama },
  { names: ["llama4", "llama4_text"], load: async () => (await import("./architectures/llama4.ts")).llama4 },
  { names: ["mamba", "falcon_mamba"], load: async () => (await import("./architectures/mamba.ts")).mambaArchitecture },
  { names: ["mamba2"], load: async () => (await import("./architectures/mamba2.ts")).mamba2Architecture },
  { names: ["mistral"], load: async () => (await import("./architectures/mistral.ts")).mistral },
  { names: ["mixtral"], load: async () => (await import("./architectures/mixtral.ts")).mixtral },
  {
    names: ["nemotron_h", "nemotron_h_moe"],
    load: async () => (await import("./architectures/nemotron-h.ts")).nemotronH,
  },
  { names: ["olmo2"], load: async () => (await import("./architectures/olmo2.ts")).olmo2 },
  { names: ["olmoe"], load: async () => (await import("./architectures/olmoe.ts")).olmoe },
  { names: ["phi3"], load: async () => (await import("./architectures/phi3.ts")).phi3 },
  { names: ["qwen2"], load: async () => (await import("./architectures/qwen2.ts")).qwen2 },
  { names: ["qwen2moe", "qwen2_moe"], load: async () => (await import("./architectures/qwen2-moe.ts")).qwen2Moe },
  { names: ["qwen3"], load: async () => (await import("./architectures/qwen3.ts")).qwen3 },
  { names: ["qwen3moe", "qwen3_moe"], load: async () => (await import("./architectures/qwen3-moe.ts")).qwen3Moe },
  { names: ["qwen3next", "qwen3_next"], load: async () => (await import("./architectures/qwen3-next.ts")).qwen3Next },
  {
    names: ["qwen35", "qwen3_5", "qwen3_5_text"],
    load: async () => (await import("./architectures/qwen3-5.ts")).qwen35,
  },
  {
    names: ["qwen35moe", "qwen3_5_moe", "qwen3_5_moe_text"],
    load: async () => (await import("./architectures/qwen3-5.ts")).qwen35Moe,
  },
  { names: ["rnn"], load: async () => (await import("./architectures/rnn.ts")).rnnArchitecture },
  { names: ["smollm3"], load: async () => (await import("./architectures/smollm3.ts")).smollm3 },
];

/** Every supported model that fills in masked tokens, one line each: stacks of a decoder's blocks. */
const denoisers: readonly Listed<Architecture>[] = [
  { names: ["dream", "Dream"], load: async () => (await import("./architectures/dream.ts")).dream },
  { names: ["llada"], load: async () => (await import("./architectures/llada.ts")).llada },
];

/** True for a checkpoint with a tower of images, and with the file that says how they are prepared. */
function readsImages({ config, tensors }: Checkpoint): boolean {
  const hasTower = [...tensors.keys()].some((name) => /(^|\.)vision_tower\./.test(name));
  return hasTower && existsSync(path.join(path.dirname(config.path), "preprocessor_config.json"));
}

/** Every supported decoder that reads images, too, one line each. */
const visionLanguages: readonly Listed<VisionLanguageArchitecture>[] = [
  {
    names: ["gemma3"],
    serves: readsImages,
    load: async () => (await import("./architectures/gemma3-images.ts")).gemma3Images,
  },
  { names: ["idefics3", "smolvlm"], load: async () => (await import("./architectures/idefics3.ts")).idefics3 },
  { names: ["internvl"], load: async () => (await import("./architectures/internvl.ts")).internVl },
  { names: ["llava"], load: async () => (await import("./architectures/llava.ts")).llava },
  { names: ["llava_next"], load: async () => (await import("./architectures/llava-next.ts")).llavaNext },
  { names: ["qwen2_5_vl"], load: async () => (await import("./architectures/qwen2-5-vl.ts")).qwen25Vl },
  { names: ["qwen2_vl"], load: async () => (await import("./architectures/qwen2-vl.ts")).qwen2Vl },
  { names: ["qwen3_vl"], load: async () => (await import("./architectures/qwen3-vl.ts")).qwen3Vl },
  { names: ["qwen3_vl_moe"], load: async () => (await import("./architectures/qwen3-vl-moe.ts")).qwen3VlMoe },
];

const stacks: readonly Listed<Architecture>[] = [...decoders, ...denoisers, ...visionLanguages];

/** Every supported encoder, one line each. */
const encoders: readonly Listed<EncoderArchitecture>[] = [
  { names: ["bert"], load: async () => (await import("./architectures/bert.ts")).bert },
  { names: ["distilbert"], load: async () => (await import("./architectures/distilbert.ts")).distilbert },
  {
    names: ["modern-bert", "modernbert"],
    load: async () => (await import("./architectures/modernbert.ts")).modernbert,
  },
  { names: ["mpnet"], load: async () => (await import("./architectures/mpnet.ts")).mpnet },
  { names: ["nomic-bert", "nomic_bert"], load: async () => (await import("./architectures/nomicbert.ts")).nomicbert },
  { names: ["roberta", "xlm-roberta"], load: async () => (await import("./architectures/roberta.ts")).roberta },
  { names: ["t5encoder"], load: async () => (await import("./architectures/t5-encoder.ts")).t5Encoder },
];

/** Every supported encoder–decoder, one line each. */
const seq2seqs: readonly Listed<Seq2SeqArchitecture>[] = [
  { names: ["t5"], load: async () => (await import("./architectures/t5.ts")).t5 },
];

/** Every supported pair of an image's and a text's encoder, one line each. */
const imageTexts: readonly Listed<ImageTextArchitecture>[] = [
  { names: ["clip"], load: async () => (await import("./architectures/clip.ts")).clip },
  { names: ["siglip"], load: async () => (await import("./architectures/siglip.ts")).siglip },
];

/** Every supported encoder of images alone, one line each. */
const imageEncoders: readonly Listed<ImageArchitecture>[] = [
  { names: ["dinov2"], load: async () => (await import("./architectures/dinov2.ts")).dinov2 },
  { names: ["vit"], load: async () => (await import("./architectures/vit.ts")).vit },
];

/** Every supported diffusion model of images, one line each. */
const imageGenerators: readonly Listed<ImageGeneratorArchitecture>[] = [
  {
    names: ["StableDiffusionPipeline"],
    load: async () => (await import("./architectures/stable-diffusion.ts")).stableDiffusion,
  },
  { names: ["UNet2DModel"], load: async () => (await import("./architectures/unet2d.ts")).unet2d },
];

/** All of them by their kinds. */
export const architectures = {
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

/** True if a checkpoint's architecture is of this kind. */
export const isOfKind = (kind: ArchitectureKind, checkpoint: Checkpoint): boolean =>
  architectures[kind].some(
    ({ names, serves }: Listed<unknown>) => names.includes(checkpoint.architecture) && (serves?.(checkpoint) ?? true),
  );

/** The refusal of a checkpoint that is of no architecture of this room: with the nearest one, or with all if none is near. */
export async function unsupported(checkpoint: Checkpoint): Promise<ModelFault> {
  const { path, architecture: name } = checkpoint;
  const { nearestArchitecture } = await import("./nearest.ts");
  const near = await nearestArchitecture(checkpoint, [...decoders, ...denoisers], encoders);
  if (near === undefined) return unknown(checkpoint);
  return new ModelFault(`${path}: architecture "${name}" is not supported; ${near}`);
}

/** The same without a look at its tensors. */
export function unknown({ path, architecture: name }: Checkpoint): ModelFault {
  const all = allNames();
  return new ModelFault(
    `${path}: architecture "${name}" is not supported (supported: ${all.join(", ")})${suggest(name, all)}`,
  );
}

/** Of two kinds, such as a decoder that may read images, once. */
const allNames = (): string[] => [
  ...new Set(Object.values(architectures).flatMap((some) => some.flatMap(({ names }: Listed<unknown>) => names))),
];

/** The checkpoint's architecture among `known`. @throws UserError if there is none of its name */
async function architectureOf<A>(checkpoint: Checkpoint, known: readonly Listed<A>[]): Promise<A> {
  const { path, architecture: name } = checkpoint;
  const found = known.find(({ names }) => names.includes(name));
  if (found) return found.load();
  if (!allNames().includes(name)) throw await unsupported(checkpoint);
  const expected = known.flatMap(({ names }) => names).join(", ");
  throw new UserError(`${path}: architecture "${name}" is of another kind, expected one of ${expected}`);
}

/** True if a decoder's checkpoint has parts for images that are not read. */
export const readsTextAlone = async (checkpoint: Checkpoint): Promise<boolean> =>
  (await architectureOf(checkpoint, stacks))
    .unread(checkpoint)
    .some((tensor) => /(^|\.)(vision_|visual\.)/.test(tensor));

/** True if a decoder's tokens also see later ones: it embeds texts and does not generate. */
export const seesBothWays = ({ config }: Checkpoint): boolean =>
  config.kind === "huggingface" && config.config["use_bidirectional_attention"] === true;

/** The architecture of the checkpoint of a decoder, or of a diffusion language model. @throws UserError if it is of another kind or unknown */
export async function decoderArchitecture(checkpoint: Checkpoint): Promise<Architecture> {
  const architecture = await architectureOf(checkpoint, stacks);
  if (!seesBothWays(checkpoint)) return architecture;
  const { path } = checkpoint.config;
  throw new UserError(`${path}: its tokens see those after them; it embeds texts and does not generate`);
}

/** Like `decoderArchitecture`, for encoders. */
export const encoderArchitecture = (checkpoint: Checkpoint): Promise<EncoderArchitecture> =>
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

/** `config`: of a decoder. @throws UserError if a model, or this processor, does not run weights in this form */
export function requireForm(quant: Quant, checkpoint: Checkpoint, config?: DecoderConfig): void {
  if (quant !== "q8r") return;
  if (!config || !isOfKind("decoder", checkpoint))
    throw new UserError(`${checkpoint.path}: q8r serves decoders of text alone; expected auto, f32, q8 or q4`, 2);
  const why = unsupportedInBytes(config);
  if (why !== undefined) throw new UserError(`${checkpoint.path}: q8r does not serve this model: it has ${why}`, 2);
  if (!namesByteProducts())
    throw new UserError(
      "q8r: expected a processor that names an instruction which multiplies bytes and adds up (VNNI, AMX, dot products), and this one names none",
      2,
    );
}

/** Like `openDecoder`, for a function that opens it with the matrices in bytes, for prompts alone. */
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

/** Modules that an adapter may replace entirely; undefined if none: a GGUF's tensors have other names than PEFT's. */
export async function headModules(checkpoint: Checkpoint): Promise<HeadModules | undefined> {
  if (checkpoint.config.kind === "gguf" || !isOfKind("encoder", checkpoint)) return undefined;
  const { modules } = await architectureOf(checkpoint, encoders);
  return { all: ["cls", "cls.norm", "cls.output"].flatMap(modules), output: modules("cls.output")[0]! };
}

/** An encoder and the weights that its graphs are traced with. */
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
  // GGUF has one name for several of Hugging Face's.
  const isGguf = adapter && checkpoint.config.kind === "gguf";
  const kin = isGguf ? await Promise.all(encoders.map(({ load }) => load())) : [architecture];
  const loraLayers = loraLayersOf(adapter, (canonical) => kin.flatMap((a) => a.modules(canonical)));
  const weights = new Weights(checkpoint, folder, quant, architecture.tensors(checkpoint), undefined, loraLayers);
  return { encoder: architecture.open(weights), weights };
}

/** Like `openEncoder`, also for a decoder that reads texts whole. */
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

/** An encoder–decoder and the weights that its graphs are traced with. */
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

/** Like `imageTextArchitecture`, for encoders of images alone. */
export const imageArchitecture = (checkpoint: Checkpoint): Promise<ImageArchitecture> =>
  architectureOf(checkpoint, imageEncoders);

/** The architecture of a vision–language model's checkpoint. @throws UserError if it is of another kind or unknown */
export const visionArchitecture = (checkpoint: Checkpoint): Promise<VisionLanguageArchitecture> =>
  architectureOf(checkpoint, visionLanguages);

/** A diffusion model of images, and the weights that its graphs are traced with. */
export interface OpenImageGenerator {
  readonly model: ImageGenerator;
  readonly weights: Weights;
}

/** Like `openDecoder`, for diffusion models of images, which take no adapter and run in float32. */
export async function openImageGenerator(checkpoint: Checkpoint, folder: string): Promise<OpenImageGenerator> {
  const architecture = await architectureOf(checkpoint, imageGenerators);
  const used = without(checkpoint, architecture.unread(checkpoint));
  const weights = new Weights(withFlatKernels(used), folder, "f32", architecture.tensors(used));
  return { model: architecture.open(weights), weights };
}

const loraLayersOf = (adapter: Lora | undefined, modules: Layout["modules"]): LoraLayers | undefined =>
  adapter && new LoraLayers(adapter, { modules, row: (_, row) => row });
