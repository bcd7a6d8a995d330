import { z } from "zod";
import { checkValues } from "./config.ts";
import { Fields } from "./fields.ts";

const schedules = ["linear", "scaled_linear", "squaredcos_cap_v2"] as const;

/** The noise of a diffusion model, under the names and defaults of diffusers' `DDPMScheduler`. */
const schema = z.object({
  steps: z.int().min(2).max(100_000),
  betaStart: z.number().positive().max(0.999),
  betaEnd: z.number().positive().max(0.999),
  schedule: z.enum(schedules),
});
export type NoiseConfig = z.output<typeof schema>;

/** Reads the object `scheduler` of a configuration. @throws UserError for noise that is not supported */
export function readNoise(fields: Fields): NoiseConfig {
  const { source } = fields;
  const own = source.kind === "gguf" ? {} : (fields.object("scheduler") ?? {});
  const inner = new Fields(source.kind === "gguf" ? source : { ...source, config: own }, fields.architecture);
  inner.only("prediction_type", ["epsilon"]);
  return checkValues(schema, source, {
    steps: inner.number(undefined, "num_train_timesteps", 1000),
    betaStart: inner.number(undefined, "beta_start", 1e-4),
    betaEnd: inner.number(undefined, "beta_end", 0.02),
    schedule: inner.value("beta_schedule") ?? "linear",
  });
}

/** The variance that each step adds, [steps]. */
function betasOf({ steps, betaStart, betaEnd, schedule }: NoiseConfig): number[] {
  const between = (from: number, to: number, i: number) => from + ((to - from) * i) / (steps - 1);
  const kept = (t: number) => Math.cos(((t + 0.008) / 1.008) * (Math.PI / 2)) ** 2;
  const at = {
    linear: (i: number) => between(betaStart, betaEnd, i),
    scaled_linear: (i: number) => between(Math.sqrt(betaStart), Math.sqrt(betaEnd), i) ** 2,
    squaredcos_cap_v2: (i: number) => Math.min(0.999, 1 - kept((i + 1) / steps) / kept(i / steps)),
  }[schedule];
  return Array.from({ length: steps }, (_, i) => at(i));
}

/** The share of an image's variance that is left after each step, [steps] (ᾱ of Ho et al. 2020). */
export function sharesLeft(config: NoiseConfig): Float64Array {
  let left = 1;
  return Float64Array.from(betasOf(config), (beta) => (left *= 1 - beta));
}
