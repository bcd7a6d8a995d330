import { decoder } from "../architecture.ts";
import { readActivation, readTransformer } from "../config/config.ts";
import { mixtralKeys, readExperts } from "../config/experts-config.ts";
import { llamaNames } from "../tensors/names.ts";

/** Llama (Touvron et al. 2023) and its variants: SmolLM2, TinyLlama, Yi; in GGUF also Mixtral. */
export const llama = decoder("llama", {
  scheme: llamaNames,
  defaults: { rms_norm_eps: 1e-6 },
  configure(fields) {
    // llama.cpp's converter permutes q and k to make rotated pairs adjacent.
    const mixture = fields.has("expert_count", undefined) && fields.number("expert_count", undefined) > 0;
    return readTransformer(fields, {
      activation: readActivation(fields, "hidden_act", "silu"),
      pairs: fields.gguf ? "interleaved" : "half",
      ...(mixture && { experts: readExperts(fields, mixtralKeys) }),
    });
  },
});
