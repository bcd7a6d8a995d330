import { z } from "zod";
import { type Mamba2Config, mamba2, mamba2StateSize, mamba2Step } from "../../nn/mamba2.ts";
import type { MixerWeights } from "../../nn/mixer-weights.ts";
import { UserError } from "../../util/errors.ts";
import { checkValues, recurrentSizes } from "../config/config.ts";
import type { Fields } from "../config/fields.ts";
import { readRecurrent } from "../config/recurrent-config.ts";
import type { Mixer } from "../decoder/mixer-layer.ts";
import { recurrent, type StoredShapes } from "../decoder/recurrent.ts";

const schema = recurrentSizes.extend({
  inner: z
    .int()
    .min(1)
    .max(1 << 17),
  ssmHeads: z.int().min(1).max(4096),
  groups: z.int().min(1).max(4096),
});
type Config = z.infer<typeof schema>;

/** Reads the configuration of a model with Mamba-2 mixers. */
export function readMamba2(fields: Fields) {
  checkSteps(fields);
  const shared = readRecurrent(fields, 128);
  const inner = fields.number(
    "ssm.inner_size",
    "intermediate_size",
    fields.number(undefined, "expand", 2) * shared.hidden,
  );
  const config = checkValues(schema, fields.source, {
    ...shared,
    inner,
    ssmHeads: fields.number("ssm.time_step_rank", "num_heads", 128),
    groups: fields.number("ssm.group_count", "n_groups", 8),
  });
  checkHeads(fields, config);
  const floats = mamba2StateSize(sizesOf(config));
  return { ...config, heads: 0, kvHeads: 0, headSize: 0, recurrent: () => floats };
}

/** @throws UserError if steps are bounded */
function checkSteps(fields: Fields): void {
  const limit = fields.list("time_step_limit");
  const open = (value: unknown) => value === Number.POSITIVE_INFINITY || JSON.stringify(value)?.includes("Infinity");
  if (limit && !(limit[0] === 0 && open(limit[1]))) fields.refuse("time_step_limit", limit, "no limit, [0, Infinity]");
}

/** @throws UserError if the heads do not match the width, or the groups do not match the heads */
function checkHeads(fields: Fields, { inner, ssmHeads, groups }: Config): void {
  const { path } = fields.source;
  if (inner % ssmHeads !== 0) throw new UserError(`${path}: ${ssmHeads} heads do not divide the inner width ${inner}`);
  if (ssmHeads % groups !== 0) throw new UserError(`${path}: ${groups} groups do not divide the ${ssmHeads} heads`);
  const size = fields.value("head_dim") === "auto" ? undefined : fields.optional(undefined, "head_dim");
  if (size !== undefined && size * ssmHeads !== inner)
    throw new UserError(`${path}: ${ssmHeads} heads of ${size} do not add up to the inner width ${inner}`);
}

/** The sizes of the mixers. */
export const sizesOf = ({ hidden, inner, ssmHeads, groups, stateSize, convWidth, epsilon }: Config): Mamba2Config => ({
  ...{ hidden, outputs: hidden, inner, headSize: inner / ssmHeads, groups, stateSize, convWidth, epsilon },
});

/** Creates a Mamba-2 mixer of these sizes. */
export const mamba2Mixer = (weights: MixerWeights, sizes: Mamba2Config): Mixer => ({
  train: (x) => mamba2(weights, sizes, x),
  run: (x, state) => mamba2Step(weights, sizes, x, state),
});

/** A mixer's keys in configurations that also describe attention (first Bamba's), looked up by Mamba-2's keys. */
export const bambaKeys = {
  num_heads: "mamba_n_heads",
  head_dim: "mamba_d_head",
  n_groups: "mamba_n_groups",
  state_size: "mamba_d_state",
  conv_kernel: "mamba_d_conv",
  expand: "mamba_expand",
  use_bias: "mamba_proj_bias",
  use_conv_bias: "mamba_conv_bias",
  layer_norm_epsilon: "rms_norm_eps",
} as const;

/** Names of a mixer's tensors that do not end in `.weight` or `.bias`. */
export const mamba2Bare = { "ssm_dt.bias": "dt_bias", ssm_a_log: "A_log", ssm_d: "D" } as const;

/** The stored shapes of a mixer's tensors. */
export function mamba2Shapes({ inner, headSize, groups, stateSize, convWidth }: Mamba2Config): StoredShapes {
  const [channels, heads] = [inner + 2 * groups * stateSize, inner / headSize];
  return {
    huggingface: { "ssm_conv1d.weight": [channels, 1, convWidth] },
    gguf: {
      "ssm_conv1d.weight": [channels, convWidth],
      ssm_a: [heads, 1],
      ssm_d: [heads, 1],
      "ssm_norm.weight": [groups, inner / groups],
    },
  };
}

/** Mamba-2 (Dao & Gu 2024): a state space with one decay per head, in all layers; no attention, no feed-forward. */
export const mamba2Architecture = recurrent("mamba2", {
  bare: mamba2Bare,
  shapes: (config) => mamba2Shapes(sizesOf(config)),
  configure: readMamba2,
  mixer: (weights, config) => mamba2Mixer(weights, sizesOf(config)),
});
