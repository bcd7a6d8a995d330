import { z } from "zod";
import type { LatentSizes } from "../../nn/latent-attention.ts";
import { UserError } from "../../util/errors.ts";
import type { TransformerConfig } from "../decoder/transformer.ts";
import { checkValues, readTransformer } from "./config.ts";
import type { Fields } from "./fields.ts";
import { readYarnScale } from "./rope.ts";

const size = (most: number) => z.int().min(1).max(most);
const schema = z.object({
  rank: size(1 << 16),
  queryRank: size(1 << 16).optional(),
  plain: size(1024),
  rotated: size(1024),
  value: size(1024),
});

/** Reads the sizes of latent attention. Newer GGUFs have separate keys for its head sizes. */
function readSizes(fields: Fields): LatentSizes {
  const ofHeads = (key: string) => fields.optional(`${key}_mla`, undefined) ?? fields.number(key, undefined);
  const rotated = fields.number("rope.dimension_count", "qk_rope_head_dim");
  const sizes = checkValues(schema, fields.source, {
    rank: fields.number("attention.kv_lora_rank", "kv_lora_rank"),
    queryRank: fields.optional("attention.q_lora_rank", "q_lora_rank"),
    plain: fields.gguf ? ofHeads("attention.key_length") - rotated : fields.number(undefined, "qk_nope_head_dim"),
    rotated,
    value: fields.gguf ? ofHeads("attention.value_length") : fields.number(undefined, "v_head_dim"),
  });
  const { path } = fields.source;
  const key = sizes.plain + rotated;
  if (sizes.value <= key) return { ...sizes, queryRank: sizes.queryRank };
  throw new UserError(`${path}: value heads have width ${sizes.value}, expected at most the keys' ${key}`);
}

/** The epsilon of the latents' norms in DeepSeek's and transformers' code; a GGUF stores one epsilon for all norms. */
const LATENT_EPSILON = 1e-6;

/** Like `readTransformer`, for latent attention. */
export function readLatentTransformer(fields: Fields, own: Partial<TransformerConfig>): TransformerConfig {
  fields.only("hidden_act", ["silu"]);
  fields.only("mlp_bias", [false]);
  fields.only("moe_layer_freq", [1]);
  const latent = readSizes(fields);
  const scale = readYarnScale(fields) / Math.sqrt(latent.plain + latent.rotated);
  return readTransformer(fields, {
    ...{ pairs: "interleaved", pairsAsPublished: true, attentionScale: () => scale },
    biases: fields.flag("attention_bias") ? ["attn_q_a", "attn_kv_a_mqa", "attn_output"] : [],
    latent: { ...latent, ...(!fields.gguf && { epsilon: LATENT_EPSILON }) },
    ...own,
  });
}
