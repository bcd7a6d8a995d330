import { z } from "zod";

/** The minimum number of steps that every run takes before runs are compared. */
export const LEAST_STEPS = 20;

/** Options for stopping a sweep's runs early. */
export const screenFields = z.strictObject({
  mode: z
    .enum(["halving", "paper", "report", "off"])
    .default("halving")
    .describe("halving: repeated cuts, by `best`; paper: one cut, by early loss and gradient norm; report: no cut"),
  window: z
    .number()
    .gt(0)
    .max(0.5)
    .default(0.1)
    .describe(`share of a run's steps before the first cut, at least ${LEAST_STEPS} steps`),
  keep: z.int().min(1).default(2).describe("runs to finish"),
  lossWeight: z.number().min(0).default(1).describe("for paper: weight of the rank by loss, highest first"),
  normWeight: z.number().min(0).default(0.5).describe("for paper: weight of the rank by gradient norm, lowest first"),
});
export type ScreenOptions = z.output<typeof screenFields>;

/** A mode, with default options, or an object of options. */
export const screenOptions = z.preprocess(
  (value) => (typeof value === "string" ? { mode: value } : value),
  screenFields,
);
