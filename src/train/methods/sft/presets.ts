import type { TrainInput } from "../../options.ts";

const adamw = { name: "adamw", beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0 } as const;
const constant = { name: "constant", warmup: 0 } as const;
const lab = { batch: 8, accumulate: 480, optimizer: { ...adamw, lr: 2e-5 }, schedule: constant, clip: 1 };

/** Settings of arXiv 2412.13337, for LAB (2403.01081) and TULU (2306.04751). The length of TULU's warm-up is ours. */
export const presets = {
  lab,
  "lab-mistral": { ...lab, optimizer: { ...adamw, lr: 1e-6 } },
  tulu: { ...lab, accumulate: 16, schedule: { name: "linear", warmup: 0.03, minimum: 0 } },
} satisfies Record<string, Partial<TrainInput>>;
