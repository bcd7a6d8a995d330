/** The decoder: 2 million parameters. */
export const architecture = {
  model_type: "llama",
  hidden_size: 192,
  intermediate_size: 512,
  num_hidden_layers: 4,
  num_attention_heads: 6,
  num_key_value_heads: 6,
  max_position_embeddings: 256,
  rms_norm_eps: 1e-5,
  rope_theta: 10_000,
  hidden_act: "silu",
  tie_word_embeddings: true,
} as const;

/** The same with eight experts of half the width in each layer, two per token: equal FLOPs, except for the router. */
const mixture = {
  ...architecture,
  model_type: "mixtral",
  intermediate_size: 256,
  num_local_experts: 8,
  num_experts_per_tok: 2,
} as const;

/** Decoders that learn the same worlds in the same steps. */
export const arms = {
  dense: { architecture },
  experts: { architecture: mixture, method: "moe" },
  /** Without the losses that balance the experts. */
  unbalanced: { architecture: mixture },
} as const;
export type Arm = keyof typeof arms;
export const isArm = (name: string): name is Arm => Object.hasOwn(arms, name);
