import { z } from "zod";
import { type Mamba2Config, mamba2, mamba2StateSize, mamba2Step } from "../../nn/mamba2.ts";
import { UserError } from "../../util/errors.ts";
import { checkValues, recurrentSizes } from "../config/config.ts";
import type { Fields } from "../config/fields.ts";
import { readRecurrent } from "../config/recurrent-config.ts";
import { recurrent } from "../decoder/recurrent.ts";

const schema = recurrentSizes.extend({
  inner: z
    .int()
    .min(1)
    .max(1 << 17),
  ssmHeads: z.int().min(1).max(4096),
  groups: z.int().min(1).max(4096),
});
type Config = z.infer<typeof schema>;

function configure(fields: Fields) {
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

/** @throws UserError for steps that are bounded */
function checkSteps(fields: Fields): void {
  const limit = fields.list("time_step_limit");
  const open = (value: unknown) => value === Number.POSITIVE_INFINITY || JSON.stringify(value)?.includes("Infinity");
  if (limit && !(limit[0] === 0 && open(limit[1]))) fields.refuse("time_step_limit", limit, "no limit, [0, Infinity]");
}

/** @throws UserError if the heads do not fit the width, or the groups the heads */
function checkHeads(fields: Fields, { inner, ssmHeads, groups }: Config): void {
  const { path } = fields.source;
  if (inner % ssmHeads !== 0) throw new UserError(`${path}: ${ssmHeads} heads do not divide the inner width ${inner}`);
  if (ssmHeads % groups !== 0) throw new UserError(`${path}: ${groups} groups do not divide the ${ssmHeads} heads`);
  const size = fields.optional(undefined, "head_dim");
  if (size !== undefined && size * ssmHeads !== inner)
    throw new UserError(`${path}: ${ssmHeads} heads of ${size} are not the inner width ${inner}`);
}

const sizesOf = ({ hidden, inner, ssmHeads, groups, stateSize, convWidth, epsilon }: Config): Mamba2Config => ({
  ...{ hidden, outputs: hidden, inner, headSize: inner / ssmHeads, groups, stateSize, convWidth, epsilon },
});

/** Mamba-2 (Dao & Gu 2024): a state space with one decay a head, over all layers; no attention, no feed-forward. */
export const mamba2Architecture = recurrent("mamba2", {
  bare: { "ssm_dt.bias": "dt_bias", ssm_a_log: "A_log", ssm_d: "D" },
  shapes({ inner, ssmHeads, groups, stateSize, convWidth }) {
    const channels = inner + 2 * groups * stateSize;
    return {
      huggingface: { "ssm_conv1d.weight": [channels, 1, convWidth] },
      gguf: {
        "ssm_conv1d.weight": [channels, convWidth],
        ssm_a: [ssmHeads, 1],
        ssm_d: [ssmHeads, 1],
        "ssm_norm.weight": [groups, inner / groups],
      },
    };
  },
  configure,
  mixer: (weights, config) => ({
    train: (x) => mamba2(weights, sizesOf(config), x),
    run: (x, state) => mamba2Step(weights, sizesOf(config), x, state),
  }),
});
