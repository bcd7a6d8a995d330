import { z } from "zod";
import { checkValues } from "../config/config.ts";
import type { Fields } from "../config/fields.ts";

const schema = z
  .object({
    steps: z.int().min(2).max(100_000),
    least: z.number().positive(),
    most: z.number().positive(),
    data: z.number().positive(),
    rho: z.number().positive(),
    clips: z.boolean(),
  })
  .refine(({ least, most }) => least < most, { error: "expected sigma_min below sigma_max" });

/**
 * The noise of a consistency model (Song et al. 2023, arXiv 2303.01469): standard deviations from `least` to `most` in
 * `steps` steps; `data` is the standard deviation of images; `clips` clamps denoised images to −1 … 1.
 */
export type ConsistencyConfig = z.output<typeof schema>;

export const CONSISTENCY_SCHEDULER = "CMStochasticIterativeScheduler";

/** Reads a scheduler's configuration, with the names and defaults of diffusers. @throws UserError */
export function readConsistency(fields: Fields): ConsistencyConfig {
  fields.only("s_noise", [1]);
  const number = (key: string, fallback: number) => fields.number(undefined, key, fallback);
  return checkValues(schema, fields.source, {
    steps: number("num_train_timesteps", 40),
    least: number("sigma_min", 0.002),
    most: number("sigma_max", 80),
    data: number("sigma_data", 0.5),
    rho: number("rho", 7),
    clips: fields.flag("clip_denoised", true),
  });
}

/**
 * The standard deviations of `count` steps, the largest first (Karras et al. 2022, equation 5, at evenly spaced trained
 * steps). A single step uses only the largest.
 */
export function deviationsOf({ steps, least, most, rho }: ConsistencyConfig, count: number): number[] {
  const apart = Math.floor(steps / count);
  const [from, to] = [most ** (1 / rho), least ** (1 / rho)];
  return Array.from({ length: count }, (_, i) => (from + ((i * apart) / (steps - 1)) * (to - from)) ** rho);
}
