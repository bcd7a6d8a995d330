import { decoder } from "../architecture.ts";
import { readTransformer } from "../config/config.ts";
import { mixtralKeys, readExperts } from "../config/experts-config.ts";
import { llamaNames, withParts } from "../tensors/names.ts";
import { graniteScales } from "./granite.ts";

/** Granite 3 MoE (IBM 2024): Granite with experts, whose gate and up projections are in one stack. */
export const graniteMoe = decoder("granitemoe", {
  scheme: withParts(llamaNames, {
    ffn_gate_inp: "block_sparse_moe.router.layer",
    ffn_gate_exps: { name: "block_sparse_moe.input_linear", part: [0, 2] },
    ffn_up_exps: { name: "block_sparse_moe.input_linear", part: [1, 2] },
    ffn_down_exps: { name: "block_sparse_moe.output_linear", part: [0, 1] },
  }),
  defaults: { rms_norm_eps: 1e-6 },
  configure(fields) {
    fields.only("hidden_act", ["silu"]);
    return readTransformer(fields, { ...graniteScales(fields), experts: readExperts(fields, mixtralKeys) });
  },
});
