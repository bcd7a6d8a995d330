import { z } from "zod";

/** Options of the recognition of regions. */
export const recognizeOptions = z.strictObject({
  most: z.coerce.number().int().min(1).max(300).default(20).describe("auto: regions that are kept at most"),
  fit: z.coerce.number().min(0).max(1).default(0.5).describe("auto: how well a box must fit an object to be kept"),
});
export type RecognizeOptions = z.output<typeof recognizeOptions>;
export type RecognizeInput = z.input<typeof recognizeOptions>;
