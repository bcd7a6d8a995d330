import type { ConfigSource } from "../../weights/checkpoint.ts";
import { type HybridTraits, hybrid } from "../architecture.ts";
import type { Fields } from "../config/fields.ts";
import type { Architecture } from "../decoder/decoder.ts";
import type { TransformerConfig } from "../decoder/transformer.ts";
import { withParts } from "../tensors/names.ts";
import {
  type DeltaConfig,
  deltaDefaults,
  deltaScheme,
  deltaTraits,
  readDelta,
  readDeltaExperts,
} from "./qwen3-next.ts";

const traits = {
  ...deltaTraits,
  scheme: withParts(deltaScheme, {
    attn_qkv: "linear_attn.in_proj_qkv",
    attn_gate: "linear_attn.in_proj_z",
    ssm_beta: "linear_attn.in_proj_b",
    ssm_alpha: "linear_attn.in_proj_a",
  }),
  // Multi-token prediction (MTP) layers, and the image tower.
  unread: /^mtp\.|^(model\.)?visual\./,
  moreLayers: true,
} as const;

/** Reads the text configuration. llama.cpp's converter places value heads that share a key at regular intervals. */
const readText = (whole: Fields, own: (fields: Fields) => Partial<TransformerConfig>): DeltaConfig => {
  const fields = whole.part("text_config");
  return readDelta(fields, own(fields), { byHead: false, apart: true, tiled: fields.gguf });
};

/** Matrices whose value heads have a different order in a GGUF than in adapters. */
const REORDERED = /\.(attn_qkv|attn_gate|ssm_beta|ssm_alpha|ssm_out)$/;

function delta(name: string, own: Pick<HybridTraits<DeltaConfig>, "defaults" | "configure">): Architecture {
  const base = hybrid<DeltaConfig>(name, { ...traits, ...own });
  const isReordered = (canonical: string, { kind }: ConfigSource) => kind === "gguf" && REORDERED.test(canonical);
  return {
    ...base,
    modules: (canonical, source) => (isReordered(canonical, source) ? [] : base.modules(canonical, source)),
  };
}

/**
 * Qwen3.5, text (Qwen Team 2026): Qwen3-Next with separate projections for the parts of a mixer's input, and a dense
 * feed-forward.
 */
export const qwen35 = delta("qwen35", {
  defaults: deltaDefaults,
  configure: (fields) => readText(fields, () => ({})),
});

/** Qwen3.5 with experts, text: experts beside a shared expert, as in Qwen3-Next. */
export const qwen35Moe = delta("qwen35moe", {
  defaults: {
    ...deltaDefaults,
    num_experts_per_tok: 8,
    num_experts: 256,
    moe_intermediate_size: 512,
    shared_expert_intermediate_size: 512,
  },
  configure: (whole) =>
    readText(whole, (fields) => {
      const experts = readDeltaExperts(fields);
      return { experts, ffn: experts.width };
    }),
});
