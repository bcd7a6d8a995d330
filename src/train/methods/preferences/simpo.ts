import { z } from "zod";
import { simpoLoss } from "./losses.ts";
import { beta, preferenceMethod } from "./method.ts";

const options = z.strictObject({
  beta: beta(2).describe("factor for mean log-probabilities"),
  simpo_gamma: z.coerce.number().min(0).default(0.5).describe("margin between chosen and rejected completions"),
});

/** SimPO (Meng et al., arXiv 2405.14734): like DPO, but with per-token means and without a reference. */
export const simpo = preferenceMethod({
  name: "simpo",
  summary: "learn from pairs without a reference model",
  options,
  reference: false,
  rule: ({ beta, simpo_gamma }) => simpoLoss(beta, simpo_gamma),
});
