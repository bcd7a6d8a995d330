import { decoder } from "../architecture.ts";
import { readTransformer } from "../config/config.ts";
import { slidingPattern, slidingWindow } from "../config/window.ts";
import { olmo2Names } from "./olmo2.ts";

/**
 * EXAONE 4 (LG AI Research 2025): OLMo 2's norms, but queries and keys are normalised in each head. In models with
 * windows, layers with full attention have no rotary embedding.
 */
export const exaone4 = decoder("exaone4", {
  scheme: olmo2Names,
  defaults: { rms_norm_eps: 1e-5 },
  configure(fields) {
    fields.only("hidden_act", ["silu"]);
    const own = { norms: "after", headNorm: "head" } as const;
    if (!fields.has("attention.sliding_window", "sliding_window")) return readTransformer(fields, own);
    const window = slidingWindow(fields, slidingPattern(fields, 4));
    const base = readTransformer(fields, { ...own, window });
    return { ...base, rope: (layer) => (window(layer) === undefined ? undefined : base.rope(layer)) };
  },
});
