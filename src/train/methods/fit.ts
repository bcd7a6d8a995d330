import type { RunData } from "../data/open.ts";
import type { TrainOptions } from "../options.ts";
import { parseMethod } from "./registry.ts";

/** A run's options as its method fits them to the data, and what it says of that. */
export function fitToData(
  options: TrainOptions,
  data: RunData,
): { readonly options: TrainOptions; readonly notice?: string } {
  if (options.method === undefined) return { options };
  const { method, options: own } = parseMethod(options.method);
  return method.fit?.(own, options, data) ?? { options };
}
