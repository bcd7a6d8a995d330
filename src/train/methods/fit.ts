import type { RunData } from "../data/open.ts";
import type { TrainOptions } from "../options.ts";
import type { ChosenMethod } from "./method.ts";

/** A run's options as its method fits them to the data, and what it says of that. */
export const fitToData = (
  options: TrainOptions,
  data: RunData,
  chosen: ChosenMethod | undefined,
): { readonly options: TrainOptions; readonly notice?: string } =>
  chosen?.method.fit?.(chosen.options, options, data) ?? { options };
