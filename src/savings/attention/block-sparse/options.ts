import type { z } from "zod";
import { integer } from "../../option-schemas.ts";

/** The options of every saving that attends to chosen key blocks. */
export const blockSparseShape = {
  blockSize: integer(1, 128).describe("tokens in a query block and in a key block"),
  firstDenseLayers: integer(0, 0).describe("number of first layers that stay dense"),
  lastDenseTokens: integer(0, 0).describe(
    "tokens at the prompt's end that attend densely (rounded up to whole blocks)",
  ),
  minLengthForSparse: integer(0, 4096).describe("prompts shorter than this many tokens stay dense"),
};

export type BlockSparseOptions = z.infer<z.ZodObject<typeof blockSparseShape>>;
