import { z } from "zod";
import { type MambaConfig, mamba, mambaStateSize, mambaStep } from "../../nn/mamba.ts";
import { checkValues, recurrentSizes } from "../config/config.ts";
import type { Fields } from "../config/fields.ts";
import { readRecurrent } from "../config/recurrent-config.ts";
import { recurrent } from "../decoder/recurrent.ts";

const schema = recurrentSizes.extend({
  inner: z
    .int()
    .min(1)
    .max(1 << 17),
  stepRank: z.int().min(1).max(8192),
  normEpsilon: z.number().min(0).optional(),
});

/** Falcon-Mamba's separate name in config.json. */
const FALCON = "falcon_mamba";

function configure(fields: Fields) {
  const shared = readRecurrent(fields, 16);
  const { hidden } = shared;
  const usual = fields.number(undefined, "expand", 2) * hidden;
  const config = checkValues(schema, fields.source, {
    ...shared,
    inner: fields.number("ssm.inner_size", "intermediate_size", usual),
    stepRank: fields.value("time_step_rank") === "auto" ? Math.ceil(hidden / 16) : readRank(fields, hidden),
    normEpsilon: readNorms(fields, shared.epsilon),
  });
  const floats = mambaStateSize(sizesOf(config));
  return { ...config, heads: 0, kvHeads: 0, headSize: 0, recurrent: () => floats };
}

const readRank = (fields: Fields, hidden: number): number =>
  fields.number("ssm.time_step_rank", "time_step_rank", Math.ceil(hidden / 16));

/** The epsilon of Falcon-Mamba's norms; in a GGUF, as in llama.cpp, it equals the other norms' epsilon. */
function readNorms(fields: Fields, epsilon: number): number | undefined {
  const { source } = fields;
  if (source.kind === "gguf") return source.metadata.boolean("mamba.ssm.dt_b_c_rms", false) ? epsilon : undefined;
  return fields.value("model_type") === FALCON ? fields.number(undefined, "mixer_rms_eps", 1e-6) : undefined;
}

const sizesOf = ({
  hidden,
  inner,
  stateSize,
  stepRank,
  convWidth,
  normEpsilon,
}: z.infer<typeof schema>): MambaConfig => ({
  ...{ hidden, inner, stateSize, stepRank, convWidth, normEpsilon },
});

/**
 * Mamba (Gu & Dao 2023): a selective state space with a decay per channel; no attention, no feed-forward.
 * Falcon-Mamba (Zuo et al. 2024) adds three norms.
 */
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
