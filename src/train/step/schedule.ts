import { z } from "zod";

const fields = z.strictObject({
  name: z
    .enum(["constant", "linear", "cosine", "wsd"])
    .default("cosine")
    .describe("how the rate falls after the warm-up"),
  warmup: z
    .number()
    .min(0)
    .refine((steps) => steps < 1 || Number.isInteger(steps), "expected a whole number of steps, or a share below 1")
    .default(0)
    .describe("warm-up steps, or their share if below 1"),
  minimum: z.number().min(0).max(1).default(0.1).describe("final learning rate, as a share of the peak"),
  decay: z.number().min(0).max(1).default(0.2).describe("for wsd: share of steps in which the rate falls"),
  shape: z
    .enum(["linear", "exponential"])
    .default("linear")
    .describe("for wsd: how the rate falls; exponential needs a minimum above 0"),
});
export const scheduleOptions = fields.refine(({ shape, minimum }) => shape === "linear" || minimum > 0, {
  path: ["minimum"],
  error: "expected more than 0, because an exponential decay never reaches 0",
});
export type ScheduleOptions = z.output<typeof scheduleOptions>;

/**
 * The learning rate at step `step` (from 0) of `steps`, as a share of its peak. The rate rises linearly over the
 * warm-up from 1/(warmup + 1), then follows the curve: `cosine` as in SGDR (Loshchilov & Hutter 2017); `wsd` is
 * constant and, at its end, linear (Hu et al. 2024) or exponential (JetMoE, Shen et al. 2024, section 4).
 */
export function rateAt({ name, minimum, decay, shape, ...rest }: ScheduleOptions, step: number, steps: number): number {
  const warmup = rest.warmup < 1 ? Math.round(rest.warmup * steps) : rest.warmup;
  if (step < warmup) return (step + 1) / (warmup + 1);
  const falling = (from: number): number => Math.min(1, Math.max(0, (step - from) / Math.max(1, steps - from)));
  const between = (share: number): number => minimum + (1 - minimum) * share;
  switch (name) {
    case "constant":
      return 1;
    case "linear":
      return between(1 - falling(warmup));
    case "cosine":
      return between((1 + Math.cos(Math.PI * falling(warmup))) / 2);
    case "wsd": {
      const fallen = falling(Math.max(warmup, Math.round(steps * (1 - decay))));
      return shape === "linear" ? between(1 - fallen) : minimum ** fallen;
    }
  }
}
