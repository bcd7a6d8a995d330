const sizes = {
  ...{ hidden_size: 128, num_hidden_layers: 4, num_attention_heads: 4, num_key_value_heads: 2 },
  ...{ max_position_embeddings: 256, rms_norm_eps: 1e-5, rope_theta: 10_000 },
} as const;

/** Width of an expert; a token runs two. */
const WIDTH = 128;
const ACTIVE = 2;

const dense = (width: number) => ({ ...sizes, model_type: "llama", intermediate_size: width });
const chosen = (model_type: string, experts: number) => ({
  ...{ ...sizes, model_type, intermediate_size: WIDTH, num_local_experts: experts, num_experts_per_tok: ACTIVE },
  ...(model_type === "jetmoe" && { kv_channels: 32 }),
});

/** The paper's schedule: constant, and an exponential fall at the end. */
const wsd = { name: "wsd", warmup: 0.1, minimum: 0.1, decay: 0.2, shape: "exponential" } as const;
const cosine = { name: "cosine", warmup: 0.1, minimum: 0.1 } as const;

/** Each row, which has one domain, is a separate batch; a step has as many rows as in the other arms. */
const rowByRow = { batch: 1, accumulate: 8 } as const;

/**
 * Models that learn the same rows in the same order. All except the widest compute the same number of products per
 * token.
 */
export const arms = {
  dense: { architecture: dense(ACTIVE * WIDTH), schedule: wsd },
  "dense, as large in all": { architecture: dense(8 * WIDTH), schedule: wsd },
  moe: { architecture: chosen("mixtral", 8), method: "moe", schedule: wsd },
  "moa + moe": { architecture: chosen("jetmoe", 8), method: "moe", schedule: wsd },
  "without balance": { architecture: chosen("jetmoe", 8), method: "moe:balance=0", schedule: wsd },
  "without z-loss": { architecture: chosen("jetmoe", 8), method: "moe:z=0", schedule: wsd },
  cosine: { architecture: chosen("jetmoe", 8), method: "moe", schedule: cosine },
  "4 experts": { architecture: chosen("jetmoe", 4), method: "moe", schedule: wsd },
  "row by row": { architecture: chosen("jetmoe", 8), method: "moe", schedule: wsd, ...rowByRow },
  "row by row, over=batch": {
    ...{ architecture: chosen("jetmoe", 8), method: "moe:over=batch", schedule: wsd },
    ...rowByRow,
  },
  "16 experts": { architecture: chosen("jetmoe", 16), method: "moe", schedule: wsd },
} as const;
export type Arm = keyof typeof arms;

export const folderOf = (arm: Arm, seed: number): string => `${arm.replaceAll(/[^\w]+/g, "-")}-${seed}`;
