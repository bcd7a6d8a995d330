import type { z } from "zod";
import { diffusionOptions } from "../../engine/diffusion/options.ts";
import { channels } from "../../engine/diffusion/plan/name.ts";
import { choice, number, optionalInteger } from "../../savings/option-schemas.ts";
import { UserError } from "../../util/errors.ts";
import { checkedNamed, readNamed } from "../../util/named-options.ts";

/** The options of planning. A trained projector's own options are the defaults. */
export const planningOptions = diffusionOptions.extend({
  channel: choice(channels)
    .optional()
    .describe("how the plan reaches the executor: latent (default, if a projector was trained), text, or none"),
  maxPlanTokens: optionalInteger(1).describe("tokens of the plan (default: the projector's, or 64)"),
  temperature: number(0).describe("randomness of the plan's tokens; the answer has its own"),
});
export type PlanningInput = z.input<typeof planningOptions>;
export type PlanningOptions = z.output<typeof planningOptions>;

/** A request's settings for its plan. */
export interface PlanSettings {
  readonly planning?: PlanningInput | undefined;
  /** Folder of a trained projector, replacing the one found for the two models. */
  readonly projector?: string | undefined;
}

/** A caller's options, checked, without defaults. @throws UserError */
export function checkPlanning(input: unknown): Partial<PlanningOptions> {
  const checked = checkedNamed("planning", planningOptions, input as Record<string, unknown>);
  const keys = Object.keys(input as object);
  return Object.fromEntries(Object.entries(checked).filter(([key]) => keys.includes(key)));
}

/** Reads `CHANNEL` or `CHANNEL:key=value,key=value`. @throws UserError */
export function parsePlanning(text: string): Partial<PlanningOptions> {
  const { name, values } = readNamed(text, (channel) => {
    if (channels.some((known) => known === channel)) return;
    throw new UserError(`planning: expected one of ${channels.join(", ")}, got "${channel}"`, 2);
  });
  return checkPlanning({ channel: name, ...values });
}
