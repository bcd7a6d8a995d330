import { z } from "zod";
import { plus, scale } from "../../../graph/index.ts";
import { balanceLoss, routerZLoss } from "../../../nn/moe/losses.ts";
import { number } from "../../../savings/option-schemas.ts";
import { UserError } from "../../../util/errors.ts";
import type { Trainee } from "../../graphs/graphs.ts";
import type { TrainOptions } from "../../options.ts";
import type { Method } from "../method.ts";

const options = z.strictObject({
  balance: number(0.01).describe("weight of each router's load-balancing loss (1 if experts are chosen equally often)"),
  over: z
    .enum(["step", "batch"])
    .default("step")
    .describe("what to balance: all batches of a step together, or each batch by itself"),
  z: number(0.001).describe("weight of each router's z-loss, which keeps its logits small"),
});
export type MoeOptions = z.output<typeof options>;

/**
 * Router losses, with which JetMoE (Shen et al. 2024, section 3.3) was trained: load balancing (Fedus et al. 2022) and
 * the z-loss (Zoph et al. 2022), summed over all routers. Both average over a batch's positions, excluding padding; the
 * experts' shares are means over the step's batches so far (the accumulation buffer of Qiu et al. 2025, section 3).
 */
export const moe: Method<MoeOptions> = {
  name: "moe",
  summary: "balance a mixture's experts, and keep router logits small",
  options,
  routerLoss,
};

/** Each batch's loss is divided by the number of batches per step. @throws UserError */
function routerLoss(
  { balance, over, z: zWeight }: MoeOptions,
  { stack }: Pick<Trainee, "stack">,
  run: TrainOptions,
): Trainee["routerLoss"] {
  const { experts } = stack;
  if (!experts) throw new UserError("moe: expected a model with experts, such as jetmoe or mixtral", 2);
  const together = over === "step" && run.accumulate > 1;
  return (logits, weights, overStep) =>
    plus(
      scale(balanceLoss(logits, experts.active, weights, together ? overStep : undefined), balance / run.accumulate),
      scale(routerZLoss(logits, weights), zWeight / run.accumulate),
    );
}
