import { z } from "zod";

/** The options of a completion at a place in a text. */
export const completionOptions = z.strictObject({
  maxTokens: z.int().min(1).default(64).describe("maximum tokens of the completion"),
});
