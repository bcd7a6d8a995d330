import { z } from "zod";

/** The command line gives every value as text; `0.9` and `"0.9"` mean the same, `""` and `"abc"` stay text and are refused. */
const numberFromText = (value: unknown) =>
  typeof value === "string" && value.trim() !== "" && !Number.isNaN(Number(value)) ? Number(value) : value;

const flagFromText = (value: unknown) => (value === "true" ? true : value === "false" ? false : value);

const expected = (what: string) => ({
  error: ({ input }: { input?: unknown }) =>
    `expected ${what}, got ${typeof input === "number" ? input : JSON.stringify(input)}`,
});

// Defaults stand inside the preprocessing, where the JSON schema of what goes in still shows them.
const number = (fallback: number) => {
  const what = expected("a number of at least 0");
  return z.preprocess(numberFromText, z.number(what).min(0, what).default(fallback));
};

const fraction = (fallback: number) => {
  const what = expected("a number between 0 and 1");
  return z.preprocess(numberFromText, z.number(what).min(0, what).max(1, what).default(fallback));
};

const integer = (least: 0 | 1, fallback: number) => {
  const what = expected(`a whole number of at least ${least}`);
  return z.preprocess(numberFromText, z.int(what).min(least, what).default(fallback));
};

const flag = (fallback: boolean) => z.preprocess(flagFromText, z.boolean(expected("true or false")).default(fallback));

const choice = <const T extends readonly string[]>(names: T) => z.enum(names, expected(`one of ${names.join(", ")}`));

/**
 * Options of block-sparse prefill. Defaults are those of XAttention (arXiv 2503.16428, section 3), MInference's vertical-slash
 * (arXiv 2407.02490) and FlexPrefill (arXiv 2502.20766).
 */
export const xattentionOptions = z
  .strictObject({
    mode: choice(["xattention", "tri-shape", "minference", "flexprefill"])
      .default("xattention")
      .describe("how the blocks to attend to are found"),
    threshold: number(0.9).describe(
      "share of a query block's estimated attention mass to keep; 0 keeps the forced blocks alone, 1 or more is dense",
    ),
    thresholds: z
      .string(expected("a path"))
      .optional()
      .describe("profile file (JSON) with a threshold per layer and head, used in place of threshold"),
    stride: integer(1, 8).describe(
      "side of the square tiles sampled along their antidiagonal; must divide blockSize; scoring costs 1/(2*stride) of dense",
    ),
    blockSize: integer(1, 128).describe("tokens in a query block and in a key block"),
    select: choice(["antidiagonal", "diagonal", "random", "mean-pool"])
      .default("antidiagonal")
      .describe("which entries of a tile are sampled; all but antidiagonal are controls"),
    alternateShift: flag(false).describe(
      "shift every second tile row's antidiagonal by one, so that stripes at even offsets are sampled too",
    ),
    seed: integer(0, 0).describe("seed of select=random"),
    selection: choice(["threshold", "top-k", "ratio"])
      .default("threshold")
      .describe("when a row has enough blocks: by mass, by count, or by share of its causal blocks"),
    k: integer(1, 16).describe("blocks a row keeps with selection=top-k"),
    ratio: fraction(0.3).describe("share of its causal blocks a row keeps with selection=ratio"),
    headGrouping: choice(["query", "kv-sum"])
      .default("query")
      .describe("one mask per query head, or one per key-value head from the sum of its query heads' scores"),
    forceSink: flag(true).describe("always keep key block 0"),
    forceDiagonal: flag(true).describe("always keep the block of the queries themselves"),
    firstDenseLayers: integer(0, 0).describe("layers from the first that stay dense"),
    lastDenseTokens: integer(0, 0).describe(
      "tokens at the prompt's end that attend densely (rounded up to whole blocks)",
    ),
    minLengthForSparse: integer(0, 4096).describe("prompts shorter than this many tokens stay dense"),
    sinkTokens: integer(0, 128).describe("first tokens kept by mode=tri-shape"),
    windowTokens: integer(1, 1920).describe("recent tokens kept by mode=tri-shape"),
    lastQueries: integer(1, 64).describe("queries at the end whose attention mode=minference inspects"),
    budget: fraction(0.3).describe("share of the keys that mode=minference spends on columns and diagonals"),
    verticalShare: fraction(0.2).describe("part of mode=minference's budget that goes to columns"),
    gamma: fraction(0.95).describe("attention mass that mode=flexprefill covers"),
    tau: fraction(0.1).describe(
      "mode=flexprefill: Jensen-Shannon distance below which a head's pooled scores are trusted",
    ),
  })
  .superRefine((options, context) => {
    const refuse = (message: string) => context.addIssue({ code: "custom", message });
    if (options.blockSize % options.stride !== 0)
      refuse(`stride ${options.stride} does not divide blockSize ${options.blockSize}`);
    if (options.thresholds !== undefined && options.selection !== "threshold")
      refuse(`thresholds are for selection=threshold, not selection=${options.selection}`);
    if (options.alternateShift && options.select !== "antidiagonal")
      refuse(`alternateShift is for select=antidiagonal, not select=${options.select}`);
  });

export type XattentionOptions = z.infer<typeof xattentionOptions>;
