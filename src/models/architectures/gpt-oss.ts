import type { RopeConfig } from "../../nn/rope.ts";
import type { Checkpoint } from "../../weights/checkpoint.ts";
import type { Names, TensorPlace } from "../../weights/prepared/names.ts";
import { decoder, type TransformerArchitecture } from "../architecture.ts";
import { readHeadSize, readTransformer } from "../config/config.ts";
import { mixtralKeys, readExperts } from "../config/experts-config.ts";
import type { Fields } from "../config/fields.ts";
import { readRope } from "../config/rope.ts";
import { slidingWindow } from "../config/window.ts";
import type { TransformerConfig } from "../decoder/transformer.ts";
import { llamaNames, type Scheme, withParts } from "../tensors/names.ts";

const scheme: Scheme = {
  ...withParts(llamaNames, { ffn_gate_inp: "mlp.router" }),
  bare: { "attn_sinks.weight": "self_attn.sinks" },
  gguf: { "ffn_norm.weight": "post_attention_norm.weight" },
};

function configure(fields: Fields): TransformerConfig {
  fields.only("hidden_act", ["silu"]);
  const rope = readYarn(fields);
  const isBiased = !fields.gguf && fields.flag("attention_bias", true);
  return readTransformer(fields, {
    experts: { ...readExperts(fields, mixtralKeys), biased: true },
    // Absent in a GGUF.
    activation: {
      slope: fields.number(undefined, "swiglu_alpha", 1.702),
      limit: fields.number(undefined, "swiglu_limit", 7),
    },
    biases: isBiased ? ["attn_q", "attn_k", "attn_v", "attn_output"] : [],
    sinks: true,
    rope: () => rope,
    window: slidingWindow(fields, (layer) => layer % 2 === 0),
  });
}

/** The ends of the model's YaRN ramp are not rounded; a GGUF does not record this. */
function readYarn(fields: Fields): RopeConfig {
  if (!fields.gguf && !fields.object("rope_parameters") && !fields.object("rope_scaling"))
    fields.refuse("rope_parameters", undefined, "the parameters of its rotary embedding");
  const context = fields.number("context_length", "max_position_embeddings");
  const rope = readRope(fields, readHeadSize(fields), context, undefined, true);
  const { scaling } = rope;
  return fields.gguf && scaling?.type === "yarn" ? { ...rope, scaling: { ...scaling, truncate: false } } : rope;
}

const EXPERTS = /^(blk\.\d+\.)ffn_(gate|up|down)_exps(?:\.(\d+)\/(\d+))?\.(?:weight|bias)$/;

/** Hugging Face's names: gate and up projections alternate in one tensor, by column for floats [inputs, outputs], by row for MXFP4. */
const inFile =
  (usual: Names, tensors: Checkpoint["tensors"]): Names =>
  (canonical) => {
    const [, layer, part, expert, experts] = EXPERTS.exec(canonical) ?? [];
    if (layer === undefined) return usual(canonical);
    const router = usual(`${layer}ffn_gate_inp.weight`) as TensorPlace;
    const name = router.name.replace(/router\.weight$/, `experts.${part === "down" ? "down" : "gate_up"}_proj`);
    const every = (side: "rows" | "columns") =>
      part === "down" ? {} : { every: { at: part === "up" ? 1 : 0, of: 2, side } };
    if (expert === undefined) return { name: `${name}_bias`, ...every("columns") };
    const block = { at: Number(expert), of: Number(experts), matrices: Number(experts) };
    if (tensors.get(name)?.type === "MXFP4") return { name, block, ...every("rows") };
    return { name, block, transposed: true, ...every("columns") };
  };

const base = decoder("gpt-oss", {
  scheme,
  defaults: {
    ...{ rms_norm_eps: 1e-5, rope_theta: 150000, head_dim: 64, sliding_window: 128 },
    ...{ num_local_experts: 128, num_experts_per_tok: 4 },
  },
  configure,
});

/** gpt-oss (OpenAI 2025): sinks in each head, windows in every other layer, biased experts with clamped gates. */
export const gptOss: TransformerArchitecture = {
  ...base,
  tensors(checkpoint) {
    const usual = base.tensors(checkpoint);
    return checkpoint.config.kind === "gguf" ? usual : inFile(usual, checkpoint.tensors);
  },
};
