import { z } from "zod";
import { choice } from "../../../savings/option-schemas.ts";
import { dpoLoss, ipoLoss } from "./losses.ts";
import { beta, preferenceMethod } from "./method.ts";

const options = z
  .strictObject({
    beta: beta(0.1).describe("higher values keep the model closer to the reference"),
    loss_type: choice(["sigmoid", "ipo", "robust"])
      .default("sigmoid")
      .describe("the loss on a pair; robust assumes that some labels are wrong"),
    label_smoothing: z.coerce
      .number()
      .min(0)
      .lt(0.5)
      .default(0)
      .describe("with loss_type robust: the share of pairs whose preference is wrong"),
  })
  .refine(({ loss_type, label_smoothing }) => loss_type === "robust" || label_smoothing === 0, {
    path: ["label_smoothing"],
    error: "expected 0 unless loss_type is robust",
  });

/** DPO (Rafailov et al., arXiv 2305.18290): learns preferences without a reward model. */
export const dpo = preferenceMethod({
  name: "dpo",
  summary: "learn from pairs of a chosen and a rejected completion",
  options,
  reference: true,
  rule: ({ beta, loss_type, label_smoothing }) =>
    loss_type === "ipo" ? ipoLoss(beta) : dpoLoss(beta, label_smoothing),
});
