import { z } from "zod";
import { UserError } from "../../util/errors.ts";
import type { ConfigSource } from "../../weights/checkpoint.ts";
import { identity } from "../../weights/prepared/names.ts";
import type { WeightSource } from "../../weights/weight-source.ts";
import { checkValues } from "../config/config.ts";
import { Fields } from "../config/fields.ts";
import { CONSISTENCY_SCHEDULER, readConsistency } from "../image-generator/consistency-schedule.ts";
import type { Denoising, ImageGenerator, ImageGeneratorArchitecture } from "../image-generator/image-generator.ts";
import { readNoise, readSampling } from "../image-generator/noise-schedule.ts";
import { UNet, type UNetConfig } from "../image-generator/unet.ts";
import { type BlockNames, checkHeads, readUNetSizes, size } from "../image-generator/unet-config.ts";

const NAME = "UNet2DModel";

/** Settings of a `UNet2DModel` for which only a few values are supported. */
const only: Readonly<Record<string, readonly string[]>> = {
  mid_block_type: ["UNetMidBlock2D"],
  downsample_type: ["conv", "resnet"],
  upsample_type: ["conv", "resnet"],
};

/** Block names, by how they change the image size. */
const blocksOf = ({ down, up }: { readonly down: boolean; readonly up: boolean }): BlockNames => ({
  down: [down ? "ResnetDownsampleBlock2D" : "DownBlock2D", "AttnDownBlock2D"],
  up: [up ? "ResnetUpsampleBlock2D" : "UpBlock2D", "AttnUpBlock2D"],
});

const own = z.object({ headSize: size, classes: z.int().min(0).max(65536) });

/** @throws UserError for another kind of configuration, or unsupported settings */
function readUNet(source: ConfigSource): UNetConfig {
  const fields = new Fields(source, NAME);
  for (const [key, values] of Object.entries(only)) fields.only(key, values);
  const resamples = {
    down: fields.value("downsample_type") === "resnet",
    up: fields.value("upsample_type") === "resnet",
  };
  const { levels, ...sizes } = readUNetSizes(fields, blocksOf(resamples), 3);
  const { headSize, classes } = checkValues(own, source, {
    headSize: fields.number(undefined, "attention_head_dim", 8),
    classes: fields.number(undefined, "num_class_embeds", 0),
  });
  const middleAttends = fields.flag("add_attention", true);
  // Without this setting, diffusers omits the norm before the middle attention if the condition scales values.
  const groups = fields.value("attn_norm_num_groups") ?? (sizes.scales ? undefined : sizes.groups);
  if (middleAttends && groups !== sizes.groups) fields.refuse("attn_norm_num_groups", groups, String(sizes.groups));
  for (const [i, { channels, attends }] of levels.entries())
    if (attends || (middleAttends && i === levels.length - 1)) checkHeads(fields, headSize, channels);
  return { ...sizes, classes, resamples, middleAttends, levels: levels.map((level) => ({ ...level, headSize })) };
}

/** Reads the configuration's labels: one per class vector, except for a last vector that means no class. */
function readLabels({ source }: Fields, classes: number): readonly string[] {
  const names = source.kind === "gguf" ? undefined : source.config["labels"];
  const numbers = Array.from({ length: classes }, (_, i) => String(i));
  if (names === undefined) return numbers;
  const schema = z
    .array(z.string(), "expected a list of names")
    .min(Math.max(0, classes - 1))
    .max(classes);
  const parsed = schema.safeParse(names);
  if (parsed.success && new Set(parsed.data).size === parsed.data.length) return parsed.data;
  throw new UserError(
    `${source.path}: "labels" is ${JSON.stringify(names)}, expected ${classes} different names, or one fewer if the last vector means no class`,
  );
}

/** Reads the `scheduler` object of a configuration. */
function schedulerOf(fields: Fields): Fields {
  const { source, architecture } = fields;
  return source.kind === "gguf"
    ? fields
    : new Fields({ ...source, config: fields.object("scheduler") ?? {} }, architecture);
}

const readDenoising = (scheduler: Fields): Denoising =>
  scheduler.value("_class_name") === CONSISTENCY_SCHEDULER
    ? { kind: "consistency", noise: readConsistency(scheduler) }
    : { kind: "noise", noise: readNoise(scheduler), sampling: readSampling(scheduler) };

/** diffusers' `UNet2DModel`: an unconditional network, or a network with a vector per class. */
export const unet2d: ImageGeneratorArchitecture = {
  tensors: () => identity,
  unread: () => [],
  open(weights: WeightSource): ImageGenerator {
    const config = readUNet(weights.config);
    const fields = new Fields(weights.config, NAME);
    const labels = readLabels(fields, config.classes);
    return {
      ...{ unet: new UNet(config, weights), labels, denoising: readDenoising(schedulerOf(fields)) },
      unconditional: labels.length < config.classes ? labels.length : undefined,
    };
  },
};
