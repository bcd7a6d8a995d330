import type { ColumnGroups } from "../../graph/index.ts";
import type { RouterConfig, ScoredGates } from "../../nn/moe/route.ts";
import type { ExpertsConfig } from "../decoder/transformer.ts";
import { sizes } from "./config.ts";
import type { Fields } from "./fields.ts";

/** The keys of a mixture's sizes, for `Fields`: GGUF's key, then config.json's. */
interface ExpertKeys {
  readonly count: string;
  readonly width: string;
  /** Layers with experts; default: all. */
  readonly has?: (layer: number) => boolean;
  readonly gates: RouterConfig["gates"];
}

/** Mixtral's keys. */
export const mixtralKeys: ExpertKeys = { count: "num_local_experts", width: "intermediate_size", gates: "chosen" };

/** Keys that configurations use if their experts have limited capacity. */
const CAPACITIES = ["expert_capacity", "capacity_factor", "moe_capacity_factor"];

/**
 * Reads the mixture of a configuration: `count` and `width` are config.json's keys.
 * @throws UserError if more experts are active than exist, or an expert may drop tokens
 */
export function readExperts(
  fields: Fields,
  { count: countKey, width: widthKey, gates, has }: ExpertKeys,
): ExpertsConfig {
  const count = whole(fields, "expert_count", countKey);
  const active = whole(fields, "expert_used_count", "num_experts_per_tok");
  const own = fields.has("expert_feed_forward_length", undefined);
  const width = fields.number(own ? "expert_feed_forward_length" : "feed_forward_length", widthKey);
  checkWidth(fields, fields.gguf ? "expert_feed_forward_length" : widthKey, width);
  if (active > count)
    fields.refuse(fields.gguf ? "expert_used_count" : "num_experts_per_tok", active, `at most the ${count} experts`);
  for (const key of CAPACITIES)
    if (fields.value(key) !== undefined)
      fields.refuse(key, fields.value(key), "no capacity: each token's experts run, whatever their load (dropless)");
  if (typeof gates === "object" && gates.groups) checkGroups(fields, gates.groups, count, active);
  return { count, active, width, gates, has: has ?? (() => true) };
}

/** @throws UserError for groups of unequal sizes, or too few of them */
function checkGroups(fields: Fields, groups: ColumnGroups, count: number, active: number): void {
  const size = count / groups.count;
  if (!Number.isInteger(size) || size < groups.best)
    fields.refuse(fields.gguf ? "expert_group_count" : "n_group", groups.count, `a divisor of the ${count} experts`);
  if (groups.active < 1 || groups.active * size < active)
    fields.refuse(
      fields.gguf ? "expert_group_used_count" : "topk_group",
      groups.active,
      `groups with at least ${active} experts in total`,
    );
}

/** DeepSeek's expert groups, each scored by the sum of its `best` top scores; undefined if all groups are active. */
export function readGroups(fields: Fields, best: number): ColumnGroups | undefined {
  const whole = (gguf: string, huggingface: string, fallback: number) => {
    const value = fields.number(gguf, huggingface, fallback);
    if (Number.isInteger(value) && value >= 1) return value;
    return fields.refuse(fields.gguf ? gguf : huggingface, value, "a whole number above 0");
  };
  const count = whole("expert_group_count", "n_group", 1);
  const active = whole("expert_group_used_count", "topk_group", count);
  return active >= count ? undefined : { count, active, best };
}

/** DeepSeek-V3's gates, which other models also use; `normalised`: true if they are divided by their sum by default. */
export const readScoredGates = (fields: Fields, normalised: boolean): ScoredGates => ({
  score: "sigmoid",
  biased: true,
  epsilon: fields.truth("expert_weights_norm", "norm_topk_prob", normalised) ? 1e-20 : undefined,
  factor: fields.number("expert_weights_scale", "routed_scaling_factor", 1),
  groups: readGroups(fields, 2),
});

/** Reads DeepSeek's mixture: experts beside a shared feed-forward, in all layers but the first few. */
export function readDeepSeekExperts(fields: Fields, gates: RouterConfig["gates"]): ExpertsConfig {
  const dense = fields.number("leading_dense_block_count", "first_k_dense_replace", 0);
  const keys = { count: "n_routed_experts", width: "moe_intermediate_size", gates };
  const experts = readExperts(fields, { ...keys, has: (layer) => layer >= dense });
  const shared = fields.number("expert_shared_count", "n_shared_experts", 1);
  const width = shared * experts.width;
  if (sizes.shape.ffn.safeParse(width).success) return { ...experts, shared: { width, gated: false } };
  const key = fields.gguf ? "expert_shared_count" : "n_shared_experts";
  return fields.refuse(key, shared, "a number of experts that run for every token");
}

/** @throws UserError for a width that no feed-forward can have */
export function checkWidth(fields: Fields, key: string, width: number): void {
  if (!sizes.shape.ffn.safeParse(width).success) fields.refuse(key, width, "a whole number from 1 to 1048576");
}

function whole(fields: Fields, gguf: string, huggingface: string): number {
  const value = fields.number(gguf, huggingface);
  const most = 1024;
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  return fields.refuse(fields.gguf ? gguf : huggingface, value, `a whole number from 1 to ${most}`);
}

/** Returns which of Qwen's layers have experts: layers at regular intervals, except for the listed dense layers. */
export function qwenSparseLayers(fields: Fields): (layer: number) => boolean {
  const step = fields.gguf ? 1 : fields.number(undefined, "decoder_sparse_step", 1);
  const dense = fields.list("mlp_only_layers") ?? [];
  return (layer) => !dense.includes(layer) && (layer + 1) % step === 0;
}
