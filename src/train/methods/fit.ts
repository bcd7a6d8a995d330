import type { RunData } from "../data/open.ts";
import type { TrainOptions } from "../options.ts";
import { chosenMethod } from "./registry.ts";

/** A run's options as its method fits them to the data, and what it says of that. */
export function fitToData(
  options: TrainOptions,
  data: RunData,
): { readonly options: TrainOptions; readonly notice?: string } {
  const chosen = chosenMethod(options);
  return chosen?.method.fit?.(chosen.options, options, data) ?? { options };
}
