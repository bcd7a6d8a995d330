import { z } from "zod";
import { orpoLoss } from "./losses.ts";
import { beta, preferenceMethod } from "./method.ts";

/** ORPO (Hong et al., arXiv 2403.07691): fine-tunes on the chosen completions, and lowers the odds of the rejected ones. */
export const orpo = preferenceMethod({
  name: "orpo",
  summary: "fine-tune on chosen completions, away from rejected ones",
  options: z.strictObject({ beta: beta(0.1).describe("weight of the odds ratio in the loss") }),
  reference: false,
  languageModel: true,
  rule: ({ beta }) => orpoLoss(beta),
});
