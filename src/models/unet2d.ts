import { z } from "zod";
import { UserError } from "../util/errors.ts";
import type { Checkpoint, ConfigSource, StoredTensor } from "../weights/checkpoint.ts";
import type { WeightSource } from "../weights/weight-source.ts";
import { checkValues } from "./config.ts";
import { Fields } from "./fields.ts";
import { type NoiseConfig, readNoise } from "./noise-schedule.ts";
import { UNet, type UNetConfig } from "./unet.ts";

const NAME = "UNet2DModel";

const size = z.int().min(1).max(4096);

const sizes = z.object({
  imageSize: size,
  channels: z.int().min(1).max(16),
  widths: z.array(size, "expected a list of widths").min(1).max(16),
  down: z.array(z.enum(["DownBlock2D", "AttnDownBlock2D"]), "expected a list of blocks"),
  up: z.array(z.enum(["UpBlock2D", "AttnUpBlock2D"]), "expected a list of blocks"),
  blocks: z.int().min(1).max(64),
  groups: size,
  epsilon: z.number().positive().max(1),
  headSize: size,
  classes: z.int().min(0).max(65536),
  timeShift: z.int().min(0).max(1),
});

/** Settings of a `UNet2DModel` that have one supported value. */
const only: Readonly<Record<string, readonly (string | number | boolean)[]>> = {
  time_embedding_type: ["positional"],
  mid_block_type: ["UNetMidBlock2D"],
  mid_block_scale_factor: [1],
  downsample_padding: [1],
  downsample_type: ["conv"],
  upsample_type: ["conv"],
  act_fn: ["silu"],
  resnet_time_scale_shift: ["default"],
  center_input_sample: [false],
};

/** A network with the noise that it was trained on, and the names of its classes. */
export interface ImageGenerator {
  readonly unet: UNet;
  readonly noise: NoiseConfig;
  /** The names of the classes, by their number; empty for a network without. */
  readonly labels: readonly string[];
  /** The number of the vector that stands for no class; undefined if there is none. */
  readonly unconditional: number | undefined;
}

function readSizes(fields: Fields): z.output<typeof sizes> {
  const number = (key: string, fallback?: number) => fields.number(undefined, key, fallback);
  const down = fields.list("down_block_types");
  return checkValues(sizes, fields.source, {
    imageSize: number("sample_size"),
    channels: number("in_channels", 3),
    widths: fields.list("block_out_channels"),
    ...{ down, up: fields.list("up_block_types") },
    blocks: number("layers_per_block", 2),
    groups: number("norm_num_groups", 32),
    epsilon: number("norm_eps", 1e-5),
    headSize: number("attention_head_dim", 8),
    classes: number("num_class_embeds", 0),
    timeShift: number("freq_shift", 0),
  });
}

/** @throws UserError for a configuration of something else or of what is not supported */
export function readUNet(source: ConfigSource): UNetConfig {
  const fields = new Fields(source, NAME);
  for (const [key, values] of Object.entries(only)) fields.only(key, values);
  const { widths, down, up, channels, ...rest } = readSizes(fields);
  const config: UNetConfig = {
    ...{ ...rest, channels },
    levels: widths.map((width, i) => ({ channels: width, attends: down[i] === "AttnDownBlock2D" })),
    middleAttends: fields.flag("add_attention", true),
    cosinesFirst: fields.flag("flip_sin_to_cos", true),
  };
  fields.only("out_channels", [channels]);
  checkLevels(fields, config, down.length, up);
  return config;
}

function checkLevels(fields: Fields, config: UNetConfig, down: number, up: readonly string[]): void {
  const { levels, imageSize, groups, headSize, middleAttends } = config;
  const least = 2 ** (levels.length - 1);
  if (down !== levels.length) fields.refuse("down_block_types", down, `${levels.length} of them`);
  const mirrored = levels.toReversed().map(({ attends }) => (attends ? "AttnUpBlock2D" : "UpBlock2D"));
  if (up.join() !== mirrored.join()) fields.refuse("up_block_types", up, JSON.stringify(mirrored));
  if (imageSize % least !== 0) fields.refuse("sample_size", imageSize, `a multiple of ${least}`);
  for (const [i, { channels, attends }] of levels.entries()) {
    const heads = attends || (middleAttends && i === levels.length - 1) ? headSize : 1;
    if (channels % groups !== 0) fields.refuse("norm_num_groups", groups, `a divisor of ${channels}`);
    if (channels % heads !== 0) fields.refuse("attention_head_dim", headSize, `a divisor of ${channels}`);
  }
}

/** The labels of a configuration: one a vector, but for the last if it stands for no class. */
function readLabels({ source }: Fields, classes: number): readonly string[] {
  const given = source.kind === "gguf" ? undefined : source.config["labels"];
  const numbers = Array.from({ length: classes }, (_, i) => String(i));
  if (given === undefined) return numbers;
  const schema = z
    .array(z.string(), "expected a list of names")
    .min(Math.max(0, classes - 1))
    .max(classes);
  const found = schema.safeParse(given);
  if (found.success && new Set(found.data).size === found.data.length) return found.data;
  throw new UserError(
    `${source.path}: "labels" is ${JSON.stringify(given)}, expected ${classes} different names, or one less if the last vector stands for no class`,
  );
}

/**
 * A checkpoint whose kernels [outputs, inputs, side, side] are matrices [outputs, inputs · side · side], as the network
 * asks for them.
 */
export function withFlatKernels(checkpoint: Checkpoint): Checkpoint {
  const flat = ({ shape }: StoredTensor) =>
    shape.length === 4 ? [shape[0]!, shape[1]! * shape[2]! * shape[3]!] : shape;
  const tensors = [...checkpoint.tensors].map(([name, tensor]) => [name, { ...tensor, shape: flat(tensor) }] as const);
  return { ...checkpoint, tensors: new Map(tensors) };
}

/** A tensor's shape as diffusers stores it: the inverse of `withFlatKernels`. */
export function storedShape(name: string, shape: readonly number[]): readonly number[] {
  if (shape.length !== 2 || !/(^|[._])conv(_in|_out|_shortcut|1|2)?\.weight$/.test(name)) return shape;
  const side = name.endsWith("conv_shortcut.weight") ? 1 : 3;
  return [shape[0]!, shape[1]! / side ** 2, side, side];
}

/** diffusers' `UNet2DModel`: an unconditional network, or one with a vector for each class. */
export const unet2d = {
  names: [NAME],
  /** @throws UserError */
  open(weights: WeightSource): ImageGenerator {
    const config = readUNet(weights.config);
    const fields = new Fields(weights.config, NAME);
    const labels = readLabels(fields, config.classes);
    return {
      ...{ unet: new UNet(config, weights), labels, noise: readNoise(fields) },
      unconditional: labels.length < config.classes ? labels.length : undefined,
    };
  },
};
export type ImageGeneratorArchitecture = typeof unet2d;
