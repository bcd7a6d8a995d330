import { z } from "zod";
import type { ConfigSource } from "../../weights/checkpoint.ts";
import { checkValues } from "../config/config.ts";
import { Fields } from "../config/fields.ts";
import type { UNetConfig } from "./unet.ts";
import { checkHeads, readUNetSizes, size } from "./unet-config.ts";

const NAME = "UNet2DConditionModel";

const blocks = {
  down: ["DownBlock2D", "CrossAttnDownBlock2D"],
  up: ["UpBlock2D", "CrossAttnUpBlock2D"],
} as const;

const only: Readonly<Record<string, readonly (string | number | boolean)[]>> = {
  mid_block_type: ["UNetMidBlock2DCrossAttn"],
  attention_type: ["default"],
  transformer_layers_per_block: [1],
  resnet_out_scale_factor: [1],
  conv_in_kernel: [3],
  conv_out_kernel: [3],
  only_cross_attention: [false],
  mid_block_only_cross_attention: [false],
  dual_cross_attention: [false],
  resnet_skip_time_act: [false],
  class_embeddings_concat: [false],
};

/** Settings of other networks of this diffusers class, which must be absent. */
const absent = [
  ...["addition_embed_type", "class_embed_type", "num_class_embeds", "encoder_hid_dim", "encoder_hid_dim_type"],
  ...["cross_attention_norm", "num_attention_heads", "time_cond_proj_dim", "time_embedding_act_fn"],
  ...["time_embedding_dim", "timestep_post_act", "projection_class_embeddings_input_dim"],
];

const own = z.object({ width: size, heads: z.array(size) });

/** Reads Stable Diffusion's network, which attends to texts of `tokens` tokens. @throws UserError if unsupported */
export function readConditionUNet(source: ConfigSource, tokens: number): UNetConfig {
  const fields = new Fields(source, NAME);
  for (const [key, values] of Object.entries(only)) fields.only(key, values);
  for (const key of absent) if (fields.value(key) !== undefined) fields.refuse(key, fields.value(key), "none");
  const { levels, ...sizes } = readUNetSizes(fields, blocks, 4);
  const { width, heads } = checkValues(own, source, {
    width: fields.number(undefined, "cross_attention_dim"),
    heads: readHeads(fields, levels.length),
  });
  for (const [i, { channels }] of levels.entries()) checkHeads(fields, heads[i]!, channels);
  return {
    ...{ ...sizes, texts: { tokens, width }, classes: 0, middleAttends: true },
    levels: levels.map((level, i) => ({ ...level, headSize: level.channels / heads[i]! })),
  };
}

/** The number of heads, one for all levels or one per level; despite its name, `attention_head_dim` holds it here. */
function readHeads(fields: Fields, levels: number): readonly unknown[] {
  if (!Array.isArray(fields.value("attention_head_dim")))
    return Array.from({ length: levels }, () => fields.number(undefined, "attention_head_dim", 8));
  const sizes = fields.list("attention_head_dim")!;
  return sizes.length === levels ? sizes : fields.refuse("attention_head_dim", sizes, `${levels} numbers`);
}
