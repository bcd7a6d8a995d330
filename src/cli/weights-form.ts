import { type Quant, quantOptions } from "../weights/prepared/weights.ts";
import { readFlags } from "./flags.ts";

/** The form of the weights if a call names one; otherwise a registered recipe has its own. @throws UserError */
export const formGiven = (flags: Readonly<Record<string, unknown>>): { quant?: Quant } =>
  flags["quant"] === undefined ? {} : readFlags(quantOptions, flags);
