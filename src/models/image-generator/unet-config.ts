import { z } from "zod";
import { checkValues } from "../config/config.ts";
import type { Fields } from "../config/fields.ts";

export const size = z.int().min(1).max(4096);

/** A network's names for blocks without and with attention, on the way down and on the way up. */
export interface BlockNames {
  readonly down: readonly [plain: string, attending: string];
  readonly up: readonly [plain: string, attending: string];
}

const sizes = z.object({
  imageSize: size,
  channels: z.int().min(1).max(16),
  widths: z.array(size, "expected a list of widths").min(1).max(16),
  blocks: z.int().min(1).max(64),
  groups: size,
  epsilon: z.number().positive().max(1),
  timeShift: z.int().min(0).max(1),
});

/** Settings of diffusers' U-Nets with only one supported value. */
const only: Readonly<Record<string, readonly (string | number | boolean)[]>> = {
  time_embedding_type: ["positional"],
  mid_block_scale_factor: [1],
  downsample_padding: [1],
  act_fn: ["silu"],
  resnet_time_scale_shift: ["default", "scale_shift"],
  center_input_sample: [false],
};

/** Reads the part of the configuration that diffusers' U-Nets share. @throws UserError for unsupported settings */
export function readUNetSizes(fields: Fields, names: BlockNames, usualChannels: number) {
  for (const [key, values] of Object.entries(only)) fields.only(key, values);
  const number = (key: string, fallback?: number) => fields.number(undefined, key, fallback);
  const { widths, ...rest } = checkValues(sizes, fields.source, {
    imageSize: number("sample_size"),
    channels: number("in_channels", usualChannels),
    widths: fields.list("block_out_channels"),
    blocks: number("layers_per_block", 2),
    groups: number("norm_num_groups", 32),
    epsilon: number("norm_eps", 1e-5),
    timeShift: number("freq_shift", 0),
  });
  fields.only("out_channels", [rest.channels]);
  checkSides(fields, widths, rest);
  const attends = readAttending(fields, names, widths.length);
  const levels = widths.map((channels, i) => ({ channels, attends: attends[i]! }));
  return {
    ...{ ...rest, levels, cosinesFirst: fields.flag("flip_sin_to_cos", true) },
    scales: fields.value("resnet_time_scale_shift") === "scale_shift",
  };
}

function checkSides(
  fields: Fields,
  widths: readonly number[],
  { imageSize, groups }: { readonly imageSize: number; readonly groups: number },
): void {
  const least = 2 ** (widths.length - 1);
  if (imageSize % least !== 0) fields.refuse("sample_size", imageSize, `a multiple of ${least}`);
  for (const width of widths)
    if (width % groups !== 0) fields.refuse("norm_num_groups", groups, `a divisor of ${width}`);
}

/** Reads which levels have attention: the way up mirrors the way down. */
function readAttending(fields: Fields, { down, up }: BlockNames, levels: number): boolean[] {
  const types = fields.list("down_block_types") ?? [];
  if (types.length !== levels) fields.refuse("down_block_types", types.length, `${levels} of them`);
  const other = types.find((name) => !down.includes(String(name)));
  if (other !== undefined) fields.refuse("down_block_types", other, down.join(" or "));
  const attends = types.map((name) => name === down[1]);
  const mirrored = attends.toReversed().map((own) => up[own ? 1 : 0]);
  const blocks = fields.list("up_block_types") ?? [];
  if (blocks.join() !== mirrored.join()) fields.refuse("up_block_types", blocks, JSON.stringify(mirrored));
  return attends;
}

/** Refuses a head size, or a number of heads, that does not divide the channels of a level. */
export function checkHeads(fields: Fields, heads: number, channels: number): void {
  if (channels % heads !== 0) fields.refuse("attention_head_dim", heads, `a divisor of ${channels}`);
}
