import { z } from "zod";
import { channels } from "../../engine/diffusion/plan/template.ts";
import { checkPlanning, type PlanningOptions, planningOptions } from "../../pipelines/plan/options.ts";
import type { ShownPlan } from "../../pipelines/plan/plan.ts";
import { UserError } from "../../util/errors.ts";
import { HttpError } from "../http/errors.ts";
import { described, fillingOf, fillingShape } from "./diffusion-fields.ts";

const { channel, maxPlanTokens, temperature } = planningOptions.shape;

/** The field of chats that says how a planner plans. */
export const planningField = z
  .strictObject({
    channel: z.enum(channels).nullish().describe(described(channel)),
    max_plan_tokens: z.int().min(1).nullish().describe(described(maxPlanTokens)),
    temperature: z.number().min(0).nullish().describe(described(temperature)),
    ...fillingShape,
  })
  .nullish()
  .describe("of a model PLANNER+EXECUTOR: how the planner plans, and how the plan reaches the executor");
type PlanningField = z.output<typeof planningField>;

/** The pipeline's options among the field's. @throws HttpError 400 */
export function planningOf(field: PlanningField): Partial<PlanningOptions> {
  const { channel, max_plan_tokens: maxPlanTokens, temperature, ...filling } = field ?? {};
  const own = Object.entries({ channel, maxPlanTokens, temperature }).filter(([, value]) => value != null);
  try {
    return checkPlanning({ ...Object.fromEntries(own), ...fillingOf(filling) });
  } catch (error) {
    throw error instanceof UserError ? new HttpError(400, error.message, { param: "planning" }) : error;
  }
}

/** The field of a chat's response. */
export const planSchema = z.object({
  channel: z.enum(channels),
  text: z.string().describe("the plan as text, also if it reached the executor as vectors"),
  tokens: z.int(),
  passes: z.int().describe("forward passes of the planner"),
  ms: z.number(),
});

export const shownPlan = (plan: ShownPlan): z.input<typeof planSchema> => ({ ...plan });
