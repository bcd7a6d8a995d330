import path from "node:path";
import { processorFor } from "../../engine/encoders/image-text/processor-for.ts";
import type { SquareVision } from "../../models/images/vision.ts";
import { UserError } from "../../util/errors.ts";
import { writeJson, writeWhole } from "../../util/write-whole.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Tokenizer } from "../../weights/tokenizer/index.ts";
import type { SeenReader } from "../data/samples.ts";
import type { DataFile } from "../data/source.ts";
import type { TrainOptions } from "../options.ts";
import { type Base, bare, configOf } from "../subject/subject.ts";
import { picturesIn, readPictures, seenReader } from "./pictures.ts";
import { encodeImages, type ReadImages } from "./seen-rows.ts";
import { seesImages, sightOf, visionOf } from "./vision-model.ts";

/** The special token that marks an image's place in a new model's prompts. */
const IMAGE_TOKEN = "<image>";

/** The special tokens that a new model needs to read images. */
export const imageTokensOf = (options: TrainOptions): string[] =>
  seesImages(bare(configOf(options, 1))) ? [IMAGE_TOKEN] : [];

/** Adds the decoder's vocabulary and the image token to a new model's options if the model reads images. */
export function withImageToken(options: TrainOptions, tokenizer: Tokenizer): TrainOptions {
  const { architecture } = options;
  if (imageTokensOf(options).length === 0) return options;
  const text = {
    vocab_size: tokenizer.vocabSize,
    tie_word_embeddings: true,
    ...asObject(architecture?.["text_config"]),
  };
  const token = { image_token_index: tokenizer.specialId(IMAGE_TOKEN) };
  return { ...options, architecture: { ...architecture, text_config: text, ...token } };
}

const asObject = (value: unknown): object => (typeof value === "object" && value !== null ? value : {});

/**
 * Reads the pictures of a run's data with the processor in the base's folder, or with CLIP's processor, which is
 * written into `out`; undefined if the model reads no images or the data contain no pictures.
 * @throws UserError
 */
export async function openSeen(
  options: TrainOptions,
  base: Base | undefined,
  out: string,
  tokenizer: Tokenizer,
  files: readonly DataFile[] = options.data,
): Promise<ReadImages | undefined> {
  const checkpoint = base?.checkpoint ?? bare(configOf(options, tokenizer.vocabSize));
  switch (await sightOf(options, checkpoint)) {
    case undefined:
      return undefined;
    case "frozen":
      return encodeImages(files, base!, options.quant);
    case "trained":
      return { read: await trainedReader(options, files, checkpoint, base, out, tokenizer), flops: 0 };
  }
}

async function trainedReader(
  options: TrainOptions,
  files: readonly DataFile[],
  checkpoint: Checkpoint,
  base: Base | undefined,
  out: string,
  tokenizer: Tokenizer,
): Promise<SeenReader> {
  const vision = await visionOf(checkpoint);
  if (vision.pictures !== "one") throw new Error("only encoders that read one picture at a time can be trained");
  if (!base) await writeCompanions(vision, out);
  const processor = processorFor(base ? path.dirname(base.checkpoint.config.path) : out, vision.encoder.config);
  const pictures = await readPictures(picturesIn(files), processor);
  if (pictures.size > 0) return seenReader(tokenizer, vision, pictures, processor);
  throw new UserError(`${options.data[0]}: the model reads images; expected lines with "image", "prompt" and "answer"`);
}

/** A new model's chat template: images, then prompts, and answers followed by the end token. */
const TEMPLATE = `{%- for message in messages -%}
{%- if message.content is string -%}{{ message.content }}
{%- else -%}
{%- for part in message.content if part.type == "image" -%}${IMAGE_TOKEN}{%- endfor -%}
{%- for part in message.content if part.type == "text" -%}{{ part.text }}{%- endfor -%}
{%- endif -%}
{%- if message.role == "assistant" -%}{{ eos_token }}{%- endif -%}
{%- endfor -%}`;

/** Writes a CLIP processor for images of the model's size, and a chat template, into a new model's folder. */
async function writeCompanions({ encoder }: SquareVision, folder: string): Promise<void> {
  await writeWhole(path.join(folder, "chat_template.jinja"), TEMPLATE);
  const { imageSize } = encoder.config;
  const size = { height: imageSize, width: imageSize };
  await writeJson(path.join(folder, "preprocessor_config.json"), {
    ...{ image_processor_type: "CLIPImageProcessor", do_resize: true, size, resample: 3, do_center_crop: false },
    ...{ do_rescale: true, rescale_factor: 1 / 255, do_normalize: true },
    image_mean: [0.48145466, 0.4578275, 0.40821073],
    image_std: [0.26862954, 0.26130258, 0.27577711],
  });
}
