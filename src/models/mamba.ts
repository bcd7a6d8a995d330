import { z } from "zod";
import { type MambaConfig, mamba, mambaStateSize, mambaStep } from "../nn/mamba.ts";
import { UserError } from "../util/errors.ts";
import { checkValues, recurrentSizes } from "./config.ts";
import type { Fields } from "./fields.ts";
import { recurrent } from "./recurrent.ts";
import { readRecurrent } from "./recurrent-config.ts";

const schema = recurrentSizes.extend({
  inner: z
    .int()
    .min(1)
    .max(1 << 17),
  stepRank: z.int().min(1).max(8192),
});

function configure(fields: Fields) {
  if (fields.has("ssm.dt_b_c_rms", undefined)) refuseNorms(fields);
  const shared = readRecurrent(fields, 16);
  const { hidden } = shared;
  const usual = fields.number(undefined, "expand", 2) * hidden;
  const config = checkValues(schema, fields.source, {
    ...shared,
    inner: fields.number("ssm.inner_size", "intermediate_size", usual),
    stepRank: fields.value("time_step_rank") === "auto" ? Math.ceil(hidden / 16) : readRank(fields, hidden),
  });
  const floats = mambaStateSize(sizesOf(config));
  return { ...config, heads: 0, kvHeads: 0, headSize: 0, recurrent: () => floats };
}

const readRank = (fields: Fields, hidden: number): number =>
  fields.number("ssm.time_step_rank", "time_step_rank", Math.ceil(hidden / 16));

/** Falcon-Mamba normalises steps, B and C. */
function refuseNorms({ source }: Fields): void {
  const key = "mamba.ssm.dt_b_c_rms";
  if (source.kind !== "gguf" || !source.metadata.boolean(key, false)) return;
  throw new UserError(`${source.path}: "${key}" is true, expected false: norms of steps, B and C are not supported`);
}

const sizesOf = ({ hidden, inner, stateSize, stepRank, convWidth }: z.infer<typeof schema>): MambaConfig => ({
  ...{ hidden, inner, stateSize, stepRank, convWidth },
});

/** Mamba (Gu & Dao 2023): a selective state space with decays of each channel's own; no attention, no feed-forward. */
export const mambaArchitecture = recurrent("mamba", {
  bare: { ssm_a_log: "A_log", ssm_d: "D" },
  shapes: ({ inner, stateSize, convWidth }) => ({
    huggingface: { "ssm_conv1d.weight": [inner, 1, convWidth], ssm_a_log: [inner, stateSize] },
    gguf: { "ssm_conv1d.weight": [inner, convWidth], ssm_a: [inner, stateSize] },
  }),
  configure,
  mixer: (weights, config) => ({
    train: (x) => mamba(weights, sizesOf(config), x),
    run: (x, state) => mambaStep(weights, sizesOf(config), x, state),
  }),
});
