import { existsSync } from "node:fs";
import { UserError } from "../../../util/errors.ts";

/** A planner and an executor. */
export interface PlanName {
  readonly planner: string;
  readonly executor: string;
}

/** The form in which a plan reaches the executor: as text, as latent vectors in its place, or not at all. */
export const channels = ["latent", "text", "none"] as const;
export type Channel = (typeof channels)[number];

/** Reads `PLANNER+EXECUTOR`; undefined unless the text has a plus between two names. */
export function parsePlanName(text: string): PlanName | undefined {
  const [planner = "", executor = "", ...more] = text.split("+").map((name) => name.trim());
  return planner !== "" && executor !== "" && more.length === 0 ? { planner, executor } : undefined;
}

/** True for two names with a plus, unless they name a user's own file. Pipelines whose names end in `+name` take precedence. */
export const isPlanName = (text: string): boolean =>
  !text.includes(">") && parsePlanName(text) !== undefined && !existsSync(text);

/** @throws UserError unless the text names a planner and an executor */
export function planNameOf(text: string | undefined): PlanName {
  const name = text === undefined ? undefined : parsePlanName(text);
  if (name) return name;
  throw new UserError(`"${text ?? ""}" is not a planner with an executor, expected PLANNER+EXECUTOR`, 2);
}
