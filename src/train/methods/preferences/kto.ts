import { z } from "zod";
import { ktoLoss } from "./losses.ts";
import { beta, preferenceMethod } from "./method.ts";

const weight = z.coerce.number().positive().default(1);
const options = z.strictObject({
  beta: beta(0.1).describe(
    "higher values keep the model closer to the reference; the KL term pairs each prompt with the previous line's completion (TRL: with another completion of the batch)",
  ),
  desirable_weight: weight.describe("weight of wanted completions"),
  undesirable_weight: weight.describe("weight of unwanted completions"),
});

/** KTO (Ethayarajh et al., arXiv 2402.01306): learns from single completions, each wanted or unwanted. */
export const kto = preferenceMethod({
  name: "kto",
  summary: "learn from single completions labelled true or false",
  options,
  reference: true,
  rows: "judged",
  rule: ktoLoss,
});
