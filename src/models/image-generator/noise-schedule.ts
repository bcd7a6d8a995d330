import { z } from "zod";
import { checkValues } from "../config/config.ts";
import type { Fields } from "../config/fields.ts";

const schedules = ["linear", "scaled_linear", "squaredcos_cap_v2"] as const;

/** The noise of a diffusion model, under the names and defaults of diffusers' `DDPMScheduler`. */
const schema = z.object({
  steps: z.int().min(2).max(100_000),
  betaStart: z.number().positive().max(0.999),
  betaEnd: z.number().positive().max(0.999),
  schedule: z.enum(schedules),
});
export type NoiseConfig = z.output<typeof schema>;

/** The part of a scheduler's configuration that only samplers read. */
export interface SamplingConfig {
  /** True if denoised images are clamped to −1 … 1. */
  readonly clips: boolean;
  /** Added to the time of each step. */
  readonly offset: 0 | 1;
  /** True if DDIM's last step leaves no noise; otherwise it leaves the first training step's noise. */
  readonly endsClean: boolean;
}

/** The defaults of diffusers' `DDIMScheduler`. */
const usual: SamplingConfig = { clips: true, offset: 0, endsClean: true };

const only: Readonly<Record<string, readonly (string | boolean)[]>> = {
  prediction_type: ["epsilon"],
  timestep_spacing: ["leading"],
  thresholding: [false],
  rescale_betas_zero_snr: [false],
};

/** Reads a scheduler's configuration. @throws UserError for unsupported noise */
export function readNoise(fields: Fields): NoiseConfig {
  for (const [key, values] of Object.entries(only)) fields.only(key, values);
  const betas = fields.value("trained_betas");
  if (betas !== undefined) fields.refuse("trained_betas", betas, "none");
  return checkValues(schema, fields.source, {
    steps: fields.number(undefined, "num_train_timesteps", 1000),
    betaStart: fields.number(undefined, "beta_start", 1e-4),
    betaEnd: fields.number(undefined, "beta_end", 0.02),
    schedule: fields.value("beta_schedule") ?? "linear",
  });
}

/** Reads a scheduler's settings for sampling, with defaults for missing values. @throws UserError */
export function readSampling(fields: Fields, defaults: SamplingConfig = usual): SamplingConfig {
  fields.only("steps_offset", [defaults.offset, 0, 1]);
  return {
    clips: fields.flag("clip_sample", defaults.clips),
    offset: fields.number(undefined, "steps_offset", defaults.offset) === 1 ? 1 : 0,
    endsClean: fields.flag("set_alpha_to_one", defaults.endsClean),
  };
}

/** The variance that each step adds, [steps]. */
function betasOf({ steps, betaStart, betaEnd, schedule }: NoiseConfig): number[] {
  const between = (from: number, to: number, i: number) => from + ((to - from) * i) / (steps - 1);
  const share = (t: number) => Math.cos(((t + 0.008) / 1.008) * (Math.PI / 2)) ** 2;
  const at = {
    linear: (i: number) => between(betaStart, betaEnd, i),
    scaled_linear: (i: number) => between(Math.sqrt(betaStart), Math.sqrt(betaEnd), i) ** 2,
    squaredcos_cap_v2: (i: number) => Math.min(0.999, 1 - share((i + 1) / steps) / share(i / steps)),
  }[schedule];
  return Array.from({ length: steps }, (_, i) => at(i));
}

/** The fraction of an image's variance that remains after each step, [steps] (ᾱ of Ho et al. 2020). */
export function sharesLeft(config: NoiseConfig): Float64Array {
  let share = 1;
  return Float64Array.from(betasOf(config), (beta) => (share *= 1 - beta));
}
