import { z } from "zod";
import type { TrainInput } from "../../src/index.ts";
import type { ProbedLanguage } from "./probe.ts";

export const SENTINELS = 16;

interface Language extends ProbedLanguage {
  /** Steps of its base. */
  readonly steps: number;
  readonly tokens: number;
  /** Rows of a step: of the base's, and of the arms'. */
  readonly batch: { readonly base: number; readonly arm: number };
}

const runningOn = { apart: false, blank: 1, tokens: 52, batch: { base: 48, arm: 24 } } as const;

/** Copy languages, by the letters of their words. */
export const LANGUAGES = {
  /** R hides one blank of two letters in such a text. */
  "4 apart": {
    ...{ name: "4 letters, a text each", shortest: 4, longest: 4, steps: 300 },
    ...{ apart: true, blank: 2, tokens: 20, batch: { base: 96, arm: 96 } },
  },
  /** A letter's copy is always at the same distance, so a base learns it by position. */
  "4": { ...runningOn, name: "4 letters", shortest: 4, longest: 4, steps: 400 },
  /** A base has to search for the letter's context. */
  "3 to 8": { ...runningOn, name: "3 to 8 letters", shortest: 3, longest: 8, steps: 1000 },
} as const satisfies Record<string, Language>;
export type Letters = keyof typeof LANGUAGES;

/** The base: a Llama of 0.1 million parameters on a copy language. */
export const baseOptions = (letters: Letters, data: string, seed: number): TrainInput => ({
  architecture: {
    ...{ model_type: "llama", num_hidden_layers: 2, hidden_size: 64, intermediate_size: 192 },
    ...{ num_attention_heads: 4, num_key_value_heads: 4, max_position_embeddings: 256 },
    ...{ rms_norm_eps: 1e-5, rope_theta: 10_000 },
  },
  ...{ tokenizer: "characters", data, validation: 0.02, seed },
  ...{ tokens: LANGUAGES[letters].tokens, batch: LANGUAGES[letters].batch.base, steps: LANGUAGES[letters].steps },
  optimizer: { lr: 3e-3, weightDecay: 0.01 },
  schedule: { name: "cosine", warmup: 50, minimum: 0.1 },
  ...{ evaluateEvery: 200, evaluateBatches: 10, saveEvery: 1000 },
});

/** One way to continue training a base. */
export interface Arm {
  readonly name: string;
  readonly letters: Letters;
  readonly method: string | undefined;
  readonly steps: number;
  readonly seeds: readonly number[];
}

const SEEDS = [0, 1, 2];
const ul2r = (rest: string, mask = "prefix"): string => `ul2r:${rest},mask=${mask},sentinels=${SENTINELS}`;

/** Under one language, arms of equal steps are compared: same rows and rates. */
export const ARMS: readonly Arm[] = [
  { name: "UL2R", letters: "4 apart", method: ul2r("causal=0.2"), steps: 2000, seeds: SEEDS },
  { name: "causal, continued", letters: "4 apart", method: undefined, steps: 2000, seeds: SEEDS },
  { name: "UL2R, causal mask", letters: "4 apart", method: ul2r("causal=0.2", "causal"), steps: 2000, seeds: SEEDS },
  { name: "UL2R", letters: "4", method: ul2r("causal=0.2"), steps: 1500, seeds: SEEDS },
  { name: "causal, continued", letters: "4", method: undefined, steps: 1500, seeds: SEEDS },
  { name: "UL2's seven", letters: "3 to 8", method: ul2r("causal=0.2,mixture=ul2"), steps: 5000, seeds: [0] },
  { name: "causal, continued", letters: "3 to 8", method: undefined, steps: 5000, seeds: [0] },
  { name: "UL2R without causal texts", letters: "4", method: ul2r("causal=0"), steps: 1500, seeds: SEEDS },
];

export const armOptions = ({ letters, method, steps }: Arm, model: string, data: string, seed: number): TrainInput => ({
  ...{ model, data, validation: 0.02, steps, seed: 100 + seed },
  ...{ tokens: LANGUAGES[letters].tokens, batch: LANGUAGES[letters].batch.arm },
  optimizer: { lr: 3e-3, weightDecay: 0.01 },
  schedule: { name: "cosine", warmup: 0, minimum: 0.01 },
  ...{ evaluateEvery: steps, evaluateBatches: 10, saveEvery: 1000 },
  ...(method !== undefined && { method }),
});

/** A line of the results. */
export const doneRun = z.object({
  seed: z.number(),
  letters: z.string(),
  arm: z.string(),
  steps: z.number(),
  /** Positions of the run, and of the base's. */
  tokens: z.number(),
  baseTokens: z.number(),
  /** The base's held-out nats per label, before it has new tokens. */
  baseNats: z.number(),
  /** FLOPs of the run, and of the base's. */
  flops: z.number(),
  baseFlops: z.number(),
  nats: z.record(z.string(), z.number()),
  infill: z.object({ prefix: z.number(), causal: z.number() }),
  /** Minutes of one thread on a machine that others used, too. */
  minutes: z.number(),
});
export type DoneRun = z.output<typeof doneRun>;
