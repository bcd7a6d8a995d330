import { z } from "zod";
import type { RunData } from "../../data/open.ts";
import type { TrainInput, TrainOptions } from "../../options.ts";
import type { FittedOptions, Method } from "../method.ts";

const adamw = { name: "adamw", beta1: 0.9, beta2: 0.95, eps: 1e-8, weightDecay: 0 } as const;
const constant = { name: "constant", warmup: 0 } as const;
const lab = { batch: 8, accumulate: 480, optimizer: { ...adamw, lr: 2e-5 }, schedule: constant, clip: 1 };

/** Settings from arXiv 2412.13337, for LAB (2403.01081) and TULU (2306.04751); TULU's warm-up length is ours. */
const presets = {
  lab,
  "lab-mistral": { ...lab, optimizer: { ...adamw, lr: 1e-6 } },
  tulu: { ...lab, accumulate: 16, schedule: { name: "linear", warmup: 0.03, minimum: 0 } },
} satisfies Record<string, Partial<TrainInput>>;

const options = z.strictObject({
  preset: z
    .enum(["lab", "lab-mistral", "tulu"])
    .default("lab")
    .describe(
      "lab: 3,840 rows per step at a constant rate of 2e-5; lab-mistral: the same at 1e-6; tulu: 128 rows at a rate that falls from 2e-5 to 0",
    ),
});
type SftOptions = z.output<typeof options>;

/**
 * Supervised fine-tuning as in arXiv 2412.13337: large effective batches, low constant learning rates, and all data in
 * one phase. TULU's settings (arXiv 2306.04751) are the paper's baseline.
 */
export const sft: Method<SftOptions> = {
  name: "sft",
  summary: "fine-tune with large batches at low, constant rates",
  options,
  presets: ({ preset }) => presets[preset],
  fit: (_, run, data) => smallerSteps(run, data),
};

/** The minimum number of steps per epoch, if the batch size allows it. */
const STEPS_OF_EPOCH = 8;

/** Reduces the batches per step, down to one, if there is too little data for eight steps per epoch. */
function smallerSteps(run: TrainOptions, { training }: RunData): FittedOptions | undefined {
  const accumulate = Math.max(1, Math.floor(training.batches / STEPS_OF_EPOCH));
  if (accumulate >= run.accumulate) return undefined;
  const [rows, wanted] = [accumulate * run.batch, run.accumulate * run.batch];
  const notice = `sft: steps of ${rows} rows instead of ${wanted}: there are ${training.samples} samples, and a step should use at most an eighth of them`;
  return { options: { ...run, accumulate }, notice };
}
