import { decoder } from "../architecture.ts";
import { readActivation, readTransformer } from "../config/config.ts";
import { mixtralKeys, readExperts } from "../config/experts-config.ts";
import { llamaNames } from "../tensors/names.ts";

/** Llama (Touvron et al. 2023) and its kin: SmolLM2, TinyLlama, Yi; as a GGUF also Mixtral. */
export const llama = decoder("llama", {
  scheme: llamaNames,
  defaults: { rms_norm_eps: 1e-6 },
  configure(fields) {
    // llama.cpp's converter permutes q and k so that rotated pairs lie next to each other.
    const mixture = fields.has("expert_count", undefined) && fields.number("expert_count", undefined) > 0;
    return readTransformer(fields, {
      activation: readActivation(fields, "hidden_act", "silu"),
      pairs: fields.gguf ? "interleaved" : "half",
      ...(mixture && { experts: readExperts(fields, mixtralKeys) }),
    });
  },
});
