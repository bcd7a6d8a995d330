import { z } from "zod";
import type { TrainInput } from "../../../src/index.ts";

export const SENTINELS = 16;

/** The base: a Llama of 0.1 million parameters on the copy language. */
const base: Omit<TrainInput, "data"> = {
  architecture: {
    ...{ model_type: "llama", num_hidden_layers: 2, hidden_size: 64, intermediate_size: 192 },
    ...{ num_attention_heads: 4, num_key_value_heads: 4, max_position_embeddings: 256 },
    ...{ rms_norm_eps: 1e-5, rope_theta: 10_000 },
  },
  ...{ tokenizer: "characters", validation: 0.02, tokens: 52, batch: 48, steps: 400 },
  optimizer: { lr: 3e-3, weightDecay: 0.01 },
  schedule: { name: "cosine", warmup: 50, minimum: 0.1 },
  ...{ evaluateEvery: 200, evaluateBatches: 10, saveEvery: 1000 },
};
export const baseOptions = (data: string, seed: number): TrainInput => ({ ...base, data, seed });

/** Ways to go on from the base, all with the same steps, rows and rates. */
export const ARMS = {
  "UL2R, 0.2 causal": `ul2r:causal=0.2,sentinels=${SENTINELS}`,
  "causal, continued": undefined,
  UL2R: `ul2r:causal=0,sentinels=${SENTINELS}`,
} as const;
export type Arm = keyof typeof ARMS;

const STEPS = 1500;

export function armOptions(arm: Arm, model: string, data: string, seed: number): TrainInput {
  const method = ARMS[arm];
  return {
    ...{ model, data, validation: 0.02, tokens: 52, batch: 24, steps: STEPS, seed: 100 + seed },
    optimizer: { lr: 3e-3, weightDecay: 0.01 },
    schedule: { name: "cosine", warmup: 0, minimum: 0.01 },
    ...{ evaluateEvery: STEPS, evaluateBatches: 10, saveEvery: 1000 },
    ...(method !== undefined && { method }),
  };
}

/** A line of the results. */
export const doneRun = z.object({
  seed: z.number(),
  arm: z.string(),
  steps: z.number(),
  /** Positions of the run, and of the base's. */
  tokens: z.number(),
  baseTokens: z.number(),
  /** The base's held-out nats a label, before it has new tokens. */
  baseNats: z.number(),
  /** FLOPs of the run, and of the base's. */
  flops: z.number(),
  baseFlops: z.number(),
  nats: z.record(z.string(), z.number()),
  infill: z.object({ prefix: z.number(), causal: z.number() }),
  minutes: z.number(),
});
export type DoneRun = z.output<typeof doneRun>;
