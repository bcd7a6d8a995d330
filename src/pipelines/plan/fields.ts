import { z } from "zod";
import { described, fillingOf, fillingShape } from "../../engine/diffusion/fields.ts";
import { channels } from "../../engine/diffusion/plan/name.ts";
import { UserError } from "../../util/errors.ts";
import { checkPlanning, type PlanSettings, parsePlanning, planningOptions } from "./options.ts";

const { channel, maxPlanTokens, temperature } = planningOptions.shape;

/** The chat field for a planner's settings. */
export const schema = z
  .strictObject({
    channel: z.enum(channels).nullish().describe(described(channel)),
    max_plan_tokens: z.int().min(1).nullish().describe(described(maxPlanTokens)),
    temperature: z.number().min(0).nullish().describe(described(temperature)),
    ...fillingShape,
  })
  .nullish()
  .describe("for a model PLANNER+EXECUTOR: how the planner plans, and how the plan reaches the executor");

/** @throws UserError */
export function ofField(value: unknown): PlanSettings {
  const { channel, max_plan_tokens: maxPlanTokens, temperature, ...filling } = (value ?? {}) as Partial<Field>;
  const own = Object.entries({ channel, maxPlanTokens, temperature }).filter(([, value]) => value != null);
  try {
    return { planning: checkPlanning({ ...Object.fromEntries(own), ...fillingOf(filling) }) };
  } catch (error) {
    throw error instanceof UserError ? new UserError(error.message, error.exitCode, "planning") : error;
  }
}
type Field = NonNullable<z.output<typeof schema>>;

/** @throws UserError */
export const ofFlags = ({ planning, projector }: Readonly<Record<string, unknown>>): PlanSettings => ({
  ...(planning !== undefined && { planning: parsePlanning(planning as string) }),
  ...(projector !== undefined && { projector: projector as string }),
});
