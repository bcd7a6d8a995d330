import { z } from "zod";
import { type DiffusionInput, diffusionOptions } from "./options.ts";

const { shape } = diffusionOptions;
export const described = (of: z.ZodType): string => of.description ?? "";

/** Options for filling in masked tokens, with the names used in LLaDA's and Fast-dLLM's programs. */
export const fillingShape = {
  steps: z.int().min(1).nullish().describe(described(shape.steps)),
  block_length: z.int().min(1).nullish().describe(described(shape.block)),
  remasking: z.enum(["low_confidence", "random"]).nullish().describe(described(shape.remasking)),
  threshold: z.number().min(0).nullish().describe(described(shape.threshold)),
  cfg_scale: z.number().min(0).nullish().describe(described(shape.guidance)),
  use_cache: z.boolean().nullish().describe(described(shape.cache)),
  ends: z.enum(["free", "last", "never"]).nullish().describe(described(shape.ends)),
};
type Filling = z.output<z.ZodObject<typeof fillingShape>>;

/** The field in chat and completion requests for a diffusion language model. */
export const diffusionField = z
  .strictObject(fillingShape)
  .nullish()
  .describe("for a diffusion language model: how it fills in masked tokens");

/** Converts the fields to the engine's options, without absent ones. */
export function fillingOf({ block_length, cfg_scale, use_cache, ...rest }: Filling): DiffusionInput {
  const named = { ...rest, block: block_length, guidance: cfg_scale, cache: use_cache };
  return Object.fromEntries(Object.entries(named).filter(([, value]) => value != null));
}
