import type { TrainInput } from "../../src/index.ts";

/** Models of 0.5 to 0.7 million parameters on bytes, none of a published size. */
export const kinds = {
  mamba: {
    architecture: {
      ...{ model_type: "mamba", hidden_size: 160, num_hidden_layers: 3 },
      ...{ expand: 2, state_size: 4, time_step_rank: 10 },
    },
    targets: "in_proj,out_proj",
  },
  mamba2: {
    architecture: {
      ...{ model_type: "mamba2", hidden_size: 128, num_hidden_layers: 5, expand: 2 },
      ...{ num_heads: 8, head_dim: 32, state_size: 32, n_groups: 1 },
    },
    targets: "in_proj,out_proj",
  },
  gpt2: {
    architecture: {
      ...{ model_type: "gpt2", n_embd: 128, n_layer: 3, n_head: 4, n_inner: 512 },
      ...{ n_positions: 256, layer_norm_epsilon: 1e-5 },
    },
    targets: "attn_qkv,attn_output,ffn_up,ffn_down",
  },
  rnn: {
    architecture: { model_type: "rnn", hidden_size: 128, intermediate_size: 256, num_hidden_layers: 4 },
    targets: "in_proj,out_proj",
  },
} as const;
export type Kind = keyof typeof kinds;

export const SEEDS = [0, 1, 2] as const;
/** The seed used to choose learning rates, and in no result. */
export const TUNING_SEED = 9;
export const precisions = ["fp32", "amp-bf16", "amp-fp16"] as const;
export type Precision = (typeof precisions)[number];

/** Training from random weights on prose, and of adapters on statements of code. */
export const stages = {
  whole: { rates: [1e-3, 3e-3], share: 1 },
  adapter: { rates: [3e-3, 1e-2], share: 1 / 3 },
} as const;
export type Stage = keyof typeof stages;

/** One training. `part` is the share of the steps after which a run ends: 0 is one step. */
export interface Run {
  readonly kind: Kind;
  readonly stage: Stage;
  readonly seed: number;
  readonly precision: Precision;
  readonly rate: number;
  readonly part?: number;
}

export const folderOf = ({ kind, stage, seed, precision, rate, part = 1 }: Run): string =>
  [kind, stage, seed, precision, rate, ...(part < 1 ? [`part-${part}`] : [])].join("-");

export interface Place {
  /** The runs' folder. */
  readonly out: string;
  readonly prose: string;
  readonly code: string;
  /** Steps of a whole run on prose. */
  readonly steps: number;
}

/** The options of a run; an adapter's `base` is the folder of the model that it adapts. */
export function optionsOf(run: Run, { prose, code, steps: all }: Place, base: string): TrainInput {
  const { kind, stage, seed, precision, rate, part = 1 } = run;
  const steps = Math.max(1, Math.round(all * stages[stage].share * part));
  return {
    ...{ validation: 0.1, tokens: 64, batch: 8, seed, precision, steps },
    ...{ evaluateEvery: steps, evaluateBatches: 20, saveEvery: 200 },
    schedule: { name: "cosine", warmup: 0.1, minimum: 0.1 },
    optimizer: { lr: rate, beta2: 0.99, weightDecay: 0.1 },
    ...(stage === "whole"
      ? { architecture: kinds[kind].architecture, tokenizer: "bytes", data: prose }
      : { model: base, quant: "f32", lora: { rank: 8, targets: kinds[kind].targets }, data: code }),
  };
}
