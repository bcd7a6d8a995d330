import { decoder } from "./architecture.ts";
import { readTransformer } from "./config.ts";
import { llamaNames } from "./names.ts";

/** Llama (Touvron et al. 2023) and its kin: SmolLM2, TinyLlama, Yi. */
export const llama = decoder("llama", {
  scheme: llamaNames,
  configure(fields) {
    fields.only("hidden_act", ["silu"]);
    // llama.cpp's converter permutes q and k so that rotated pairs lie next to each other.
    return readTransformer(fields, { pairs: fields.gguf ? "interleaved" : "half" });
  },
});
