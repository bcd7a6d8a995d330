/** A saving's name and the options given to it. */
interface Written {
  readonly name: string;
  readonly values: Readonly<Record<string, unknown>>;
}

const common = ["blockSize", "firstDenseLayers", "lastDenseTokens", "minLengthForSparse"];

/** The options that each `mode` of the first xattention reads; modes are savings of their own now. */
const modes: Readonly<Record<string, readonly string[]>> = {
  xattention: [
    ...["threshold", "thresholds", "stride", "select", "alternateShift", "seed", "selection", "k", "ratio"],
    ...["headGrouping", "forceSink", "forceDiagonal", ...common],
  ],
  "tri-shape": ["sinkTokens", "windowTokens", ...common],
  minference: ["lastQueries", "budget", "verticalShare", ...common],
  flexprefill: ["gamma", "tau", ...common],
};

const known = new Set(Object.values(modes).flat());

/**
 * A saving as it is written today. Recipes and results of before may say `xattention:mode=tri-shape,…`, with options that the mode did not
 * read; these are left out, others stay for the saving to refuse.
 */
export function present(name: string, values: Written["values"]): Written {
  const { mode, ...others } = values;
  const read =
    name === "xattention" && typeof mode === "string" && Object.hasOwn(modes, mode) ? modes[mode]! : undefined;
  if (!read) return { name, values };
  const kept = Object.entries(others).filter(([key]) => read.includes(key) || !known.has(key));
  return { name: mode as string, values: Object.fromEntries(kept) };
}
