import { z } from "zod";
import { modelForm } from "../weights/prepared/quant.ts";

/** A model's weights, recipe and form: its scores depend on all of them. */
export const modelIdentity = z.strictObject({
  name: z.string().min(1),
  /** Hex SHA-256 of its weights; absent of a model that another server runs. */
  sha256: z
    .string()
    .regex(/^[0-9a-f]{64}$/, "expected 64 hexadecimal digits")
    .optional(),
  recipe: z.array(z.string()).default([]),
  quant: z.string().default("auto"),
  /** Bits of the codes in which its 4-bit types ran, where that is known: the same prompts have slightly other scores in others. */
  codes: modelForm.shape.codes,
});
export type ModelIdentity = z.output<typeof modelIdentity>;
