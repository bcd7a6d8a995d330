import { z } from "zod";
import { channels } from "../../engine/plan/template.ts";
import { checkPlanning, type PlanningOptions, planningOptions } from "../../pipelines/plan/options.ts";
import type { ShownPlan } from "../../pipelines/plan/plan.ts";
import { UserError } from "../../util/errors.ts";
import { HttpError } from "../http/errors.ts";

const { channel, maxPlanTokens, temperature, ...filling } = planningOptions.shape;
const described = (of: z.ZodType): string => of.description ?? "";

/** The field of chats that says how a planner plans. */
export const planningField = z
  .strictObject({
    channel: z.enum(channels).nullish().describe(described(channel)),
    max_plan_tokens: z.int().min(1).nullish().describe(described(maxPlanTokens)),
    temperature: z.number().min(0).nullish().describe(described(temperature)),
    steps: z.int().min(1).nullish().describe(described(filling.steps)),
    block_length: z.int().min(1).nullish().describe(described(filling.block)),
    remasking: z.enum(["low_confidence", "random"]).nullish().describe(described(filling.remasking)),
    threshold: z.number().min(0).nullish().describe(described(filling.threshold)),
    cfg_scale: z.number().min(0).nullish().describe(described(filling.guidance)),
    use_cache: z.boolean().nullish().describe(described(filling.cache)),
    ends: z.enum(["free", "last", "never"]).nullish().describe(described(filling.ends)),
  })
  .nullish()
  .describe("of a model PLANNER+EXECUTOR: how the planner plans, and how the plan reaches the executor");
type PlanningField = z.output<typeof planningField>;

/** The pipeline's options among the field's. @throws HttpError 400 */
export function planningOf(field: PlanningField): Partial<PlanningOptions> {
  const { max_plan_tokens, block_length, cfg_scale, use_cache, ...rest } = field ?? {};
  const named = { maxPlanTokens: max_plan_tokens, block: block_length, guidance: cfg_scale, cache: use_cache };
  const given = Object.entries({ ...rest, ...named }).filter(([, value]) => value != null);
  try {
    return checkPlanning(Object.fromEntries(given));
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
