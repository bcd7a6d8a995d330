import { z } from "zod";
import { choice, file, flag, fraction, integer, number } from "../../option-schemas.ts";
import { blockSparseShape } from "../block-sparse/options.ts";

const { blockSize, ...common } = blockSparseShape;

/** The defaults come from the paper (arXiv 2503.16428, section 3). */
export const xattentionOptions = z
  .strictObject({
    threshold: number(0.9).describe(
      "share of a query block's estimated attention mass to keep; 0 keeps only the forced blocks, 1 or more is dense",
    ),
    thresholds: file().describe(
      "JSON file with a threshold per layer and head, in place of threshold; made by `savings calibrate xattention`",
    ),
    stride: integer(1, 8).describe(
      "side of the square tiles sampled along their antidiagonal; must divide blockSize; scoring costs 1/(2*stride) of dense attention",
    ),
    blockSize,
    select: choice(["antidiagonal", "diagonal", "random", "mean-pool"])
      .default("antidiagonal")
      .describe("the entries of a tile to sample; every choice except antidiagonal is a control"),
    alternateShift: flag(false).describe(
      "shift every second tile row's antidiagonal by one, to sample stripes at even offsets as well",
    ),
    seed: integer(0, 0).describe("seed of select=random"),
    selection: choice(["threshold", "top-k", "ratio"])
      .default("threshold")
      .describe("how many blocks a row keeps: by mass, by count, or by share of its causal blocks"),
    k: integer(1, 16).describe("blocks a row keeps with selection=top-k"),
    ratio: fraction(0.3).describe("share of a row's causal blocks to keep with selection=ratio"),
    headGrouping: choice(["query", "kv-sum"])
      .default("query")
      .describe("one mask per query head, or one per key-value head from the sum of its query heads' scores"),
    forceSink: flag(true).describe("always keep key block 0"),
    forceDiagonal: flag(true).describe("always keep the queries' own block"),
    ...common,
  })
  .superRefine((options, context) => {
    const refuse = (message: string) => context.addIssue({ code: "custom", message });
    const { stride, blockSize, thresholds, selection, alternateShift, seed, select } = options;
    if (blockSize % stride !== 0) refuse(`stride ${stride} does not divide blockSize ${blockSize}`);
    if (thresholds !== undefined && selection !== "threshold")
      refuse(`thresholds are for selection=threshold, not selection=${selection}`);
    if (alternateShift && select !== "antidiagonal")
      refuse(`alternateShift is for select=antidiagonal, not select=${select}`);
    if (seed !== 0 && select !== "random") refuse(`seed is for select=random, not select=${select}`);
  });

export type XattentionOptions = z.infer<typeof xattentionOptions>;
