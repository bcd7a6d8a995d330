import { UserError } from "../../util/errors.ts";
import type { Lora } from "./lora.ts";

/** The error for a misfit: the first of `problems`, and the number of modules that have one. */
export function doesNotFit({ folder, updates }: Lora, model: string, problems: readonly string[]): UserError {
  const more = problems.length > 1 ? ` (and ${problems.length - 1} more of its ${updates.size} modules)` : "";
  return new UserError(`${folder}: the adapter does not fit ${model}: ${problems[0]}${more}`);
}

export const isMissing = (module: string): string => `${module} is not in the model`;
