import { existsSync } from "node:fs";
import path from "node:path";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { EncoderArchitecture, Entry } from "../architecture.ts";
import type { Architecture } from "../decoder/decoder.ts";
import type { ImageGeneratorArchitecture } from "../image-generator/image-generator.ts";
import type { ImageTextArchitecture } from "../images/image-text.ts";
import type { ImageArchitecture } from "../images/images.ts";
import type { VisionLanguageArchitecture } from "../images/vision.ts";
import type { Seq2SeqArchitecture } from "../seq2seq/seq2seq.ts";

/** Every supported decoder, one per line. */
export const decoders: readonly Entry<Architecture>[] = [
  {
    names: ["deepseek2", "deepseek_v2"],
    load: async () => (await import("./deepseek-v2.ts")).deepSeekV2,
  },
  { names: ["deepseek_v3"], load: async () => (await import("./deepseek-v3.ts")).deepSeekV3 },
  { names: ["cohere2"], load: async () => (await import("./cohere2.ts")).cohere2 },
  { names: ["ernie4_5"], load: async () => (await import("./ernie4_5.ts")).ernie45 },
  { names: ["exaone4"], load: async () => (await import("./exaone4.ts")).exaone4 },
  { names: ["falcon-h1", "falcon_h1"], load: async () => (await import("./falcon-h1.ts")).falconH1 },
  { names: ["gemma2"], load: async () => (await import("./gemma2.ts")).gemma2 },
  { names: ["gemma3", "gemma-embedding", "gemma3_text"], load: async () => (await import("./gemma3.ts")).gemma3 },
  { names: ["gemma4", "gemma4_text"], load: async () => (await import("./gemma4.ts")).gemma4 },
  { names: ["glm4moe", "glm4_moe"], load: async () => (await import("./glm4-moe.ts")).glm4Moe },
  { names: ["gpt2"], load: async () => (await import("./gpt2.ts")).gpt2 },
  { names: ["gpt-oss", "gpt_oss"], load: async () => (await import("./gpt-oss.ts")).gptOss },
  { names: ["granite"], load: async () => (await import("./granite.ts")).granite },
  { names: ["granitemoe"], load: async () => (await import("./granitemoe.ts")).graniteMoe },
  {
    names: ["granitehybrid", "granitemoehybrid"],
    load: async () => (await import("./granitemoehybrid.ts")).graniteMoeHybrid,
  },
  { names: ["jetmoe"], load: async () => (await import("./jetmoe.ts")).jetmoe },
  { names: ["lfm2"], load: async () => (await import("./lfm2.ts")).lfm2 },
  { names: ["lfm2moe", "lfm2_moe"], load: async () => (await import("./lfm2-moe.ts")).lfm2Moe },
  { names: ["llama"], load: async () => (await import("./llama.ts")).llama },
  { names: ["llama4", "llama4_text"], load: async () => (await import("./llama4.ts")).llama4 },
  { names: ["mamba", "falcon_mamba"], load: async () => (await import("./mamba.ts")).mambaArchitecture },
  { names: ["mamba2"], load: async () => (await import("./mamba2.ts")).mamba2Architecture },
  { names: ["mistral"], load: async () => (await import("./mistral.ts")).mistral },
  { names: ["mixtral"], load: async () => (await import("./mixtral.ts")).mixtral },
  {
    names: ["nemotron_h", "nemotron_h_moe"],
    load: async () => (await import("./nemotron-h.ts")).nemotronH,
  },
  { names: ["olmo2"], load: async () => (await import("./olmo2.ts")).olmo2 },
  { names: ["olmoe"], load: async () => (await import("./olmoe.ts")).olmoe },
  { names: ["phi3"], load: async () => (await import("./phi3.ts")).phi3 },
  { names: ["qwen2"], load: async () => (await import("./qwen2.ts")).qwen2 },
  { names: ["qwen2moe", "qwen2_moe"], load: async () => (await import("./qwen2-moe.ts")).qwen2Moe },
  { names: ["qwen3"], load: async () => (await import("./qwen3.ts")).qwen3 },
  { names: ["qwen3moe", "qwen3_moe"], load: async () => (await import("./qwen3-moe.ts")).qwen3Moe },
  { names: ["qwen3next", "qwen3_next"], load: async () => (await import("./qwen3-next.ts")).qwen3Next },
  {
    names: ["qwen35", "qwen3_5", "qwen3_5_text"],
    load: async () => (await import("./qwen3-5.ts")).qwen35,
  },
  {
    names: ["qwen35moe", "qwen3_5_moe", "qwen3_5_moe_text"],
    load: async () => (await import("./qwen3-5.ts")).qwen35Moe,
  },
  { names: ["rnn"], load: async () => (await import("./rnn.ts")).rnnArchitecture },
  { names: ["smollm3"], load: async () => (await import("./smollm3.ts")).smollm3 },
];

/** Every supported model that fills in masked tokens, one per line; each is built from a decoder's blocks. */
export const denoisers: readonly Entry<Architecture>[] = [
  { names: ["dream", "Dream"], load: async () => (await import("./dream.ts")).dream },
  { names: ["llada"], load: async () => (await import("./llada.ts")).llada },
];

/** True for a checkpoint that contains an image tower and the file for image preprocessing. */
function readsImages({ config, tensors }: Checkpoint): boolean {
  const hasTower = [...tensors.keys()].some((name) => /(^|\.)vision_tower\./.test(name));
  return hasTower && existsSync(path.join(path.dirname(config.path), "preprocessor_config.json"));
}

/** Every supported decoder that also reads images, one per line. */
export const visionLanguages: readonly Entry<VisionLanguageArchitecture>[] = [
  {
    names: ["gemma3"],
    serves: readsImages,
    load: async () => (await import("./gemma3-images.ts")).gemma3Images,
  },
  { names: ["idefics3", "smolvlm"], load: async () => (await import("./idefics3.ts")).idefics3 },
  { names: ["internvl"], load: async () => (await import("./internvl.ts")).internVl },
  { names: ["llava"], load: async () => (await import("./llava.ts")).llava },
  { names: ["llava_next"], load: async () => (await import("./llava-next.ts")).llavaNext },
  { names: ["qwen2_5_vl"], load: async () => (await import("./qwen2-5-vl.ts")).qwen25Vl },
  { names: ["qwen2_vl"], load: async () => (await import("./qwen2-vl.ts")).qwen2Vl },
  { names: ["qwen3_vl"], load: async () => (await import("./qwen3-vl.ts")).qwen3Vl },
  { names: ["qwen3_vl_moe"], load: async () => (await import("./qwen3-vl-moe.ts")).qwen3VlMoe },
];

/** Every supported encoder, one per line. */
export const encoders: readonly Entry<EncoderArchitecture>[] = [
  { names: ["bert"], load: async () => (await import("./bert.ts")).bert },
  { names: ["distilbert"], load: async () => (await import("./distilbert.ts")).distilbert },
  {
    names: ["modern-bert", "modernbert"],
    load: async () => (await import("./modernbert.ts")).modernbert,
  },
  { names: ["mpnet"], load: async () => (await import("./mpnet.ts")).mpnet },
  { names: ["nomic-bert", "nomic_bert"], load: async () => (await import("./nomicbert.ts")).nomicbert },
  { names: ["roberta", "xlm-roberta"], load: async () => (await import("./roberta.ts")).roberta },
  { names: ["t5encoder"], load: async () => (await import("./t5-encoder.ts")).t5Encoder },
];

/** Every supported encoder–decoder, one per line. */
export const seq2seqs: readonly Entry<Seq2SeqArchitecture>[] = [
  { names: ["t5"], load: async () => (await import("./t5.ts")).t5 },
];

/** Every supported pair of image and text encoders, one per line. */
export const imageTexts: readonly Entry<ImageTextArchitecture>[] = [
  { names: ["clip"], load: async () => (await import("./clip.ts")).clip },
  { names: ["siglip"], load: async () => (await import("./siglip.ts")).siglip },
];

/** Every supported image-only encoder, one per line. */
export const imageEncoders: readonly Entry<ImageArchitecture>[] = [
  { names: ["dinov2"], load: async () => (await import("./dinov2.ts")).dinov2 },
  { names: ["vit"], load: async () => (await import("./vit.ts")).vit },
];

/** Every supported image diffusion model, one per line. */
export const imageGenerators: readonly Entry<ImageGeneratorArchitecture>[] = [
  {
    names: ["StableDiffusionPipeline"],
    load: async () => (await import("./stable-diffusion.ts")).stableDiffusion,
  },
  { names: ["UNet2DModel"], load: async () => (await import("./unet2d.ts")).unet2d },
];

/** All architectures by kind. */
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

/** The kinds of architectures in this folder. */
export type ArchitectureKind = keyof typeof architectures;
