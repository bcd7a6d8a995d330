import type { RouterConfig } from "../../nn/moe/route.ts";
import type { ExpertsConfig } from "../decoder/transformer.ts";
import { sizes } from "./config.ts";
import type { Fields } from "./fields.ts";

/** Fields of the sizes of a mixture, as `Fields` reads them: GGUF's key, then config.json's. */
interface ExpertKeys {
  readonly count: string;
  readonly width: string;
  /** Layers with experts; default: all. */
  readonly has?: (layer: number) => boolean;
  readonly gates: RouterConfig["gates"];
}

/** Mixtral's keys. */
export const mixtralKeys: ExpertKeys = { count: "num_local_experts", width: "intermediate_size", gates: "chosen" };

/** Keys of configurations whose experts take at most so many tokens. */
const CAPACITIES = ["expert_capacity", "capacity_factor", "moe_capacity_factor"];

/**
 * The mixture of a configuration: `count` and `width` are config.json's keys.
 * @throws UserError if more experts are active than there are, or an expert may drop tokens
 */
export function readExperts(
  fields: Fields,
  { count: countKey, width: widthKey, gates, has }: ExpertKeys,
): ExpertsConfig {
  const count = whole(fields, "expert_count", countKey);
  const active = whole(fields, "expert_used_count", "num_experts_per_tok");
  const width = fields.gguf
    ? fields.number("expert_feed_forward_length", undefined, fields.number("feed_forward_length", undefined))
    : fields.number(undefined, widthKey);
  checkWidth(fields, fields.gguf ? "expert_feed_forward_length" : widthKey, width);
  if (active > count)
    fields.refuse(fields.gguf ? "expert_used_count" : "num_experts_per_tok", active, `at most the ${count} experts`);
  for (const key of CAPACITIES)
    if (fields.value(key) !== undefined)
      fields.refuse(key, fields.value(key), "no capacity: each token's experts run, whatever their load (dropless)");
  return { count, active, width, gates, has: has ?? (() => true) };
}

/** @throws UserError for a width that no feed-forward has */
export function checkWidth(fields: Fields, key: string, width: number): void {
  if (!sizes.shape.ffn.safeParse(width).success) fields.refuse(key, width, "a whole number from 1 to 1048576");
}

function whole(fields: Fields, gguf: string, huggingface: string): number {
  const value = fields.number(gguf, huggingface);
  const most = 1024;
  if (Number.isInteger(value) && value >= 1 && value <= most) return value;
  return fields.refuse(fields.gguf ? gguf : huggingface, value, `a whole number from 1 to ${most}`);
}

/** Qwen's layers with experts: every so many, except for some that are listed. */
export function qwenSparseLayers(fields: Fields): (layer: number) => boolean {
  const step = fields.gguf ? 1 : fields.number(undefined, "decoder_sparse_step", 1);
  const dense = fields.list("mlp_only_layers") ?? [];
  return (layer) => !dense.includes(layer) && (layer + 1) % step === 0;
}
