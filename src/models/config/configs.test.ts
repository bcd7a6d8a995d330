import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, test } from "vitest";
import { ropeFrequencies } from "../../nn/rope.ts";
import { UserError } from "../../util/errors.ts";
import { cohere2 } from "../architectures/cohere2.ts";
import { deepSeekV2 } from "../architectures/deepseek-v2.ts";
import { deepSeekV3 } from "../architectures/deepseek-v3.ts";
import { exaone4 } from "../architectures/exaone4.ts";
import { falconH1 } from "../architectures/falcon-h1.ts";
import { gemma2 } from "../architectures/gemma2.ts";
import { gemma3 } from "../architectures/gemma3.ts";
import { gemma4 } from "../architectures/gemma4.ts";
import { gptOss } from "../architectures/gpt-oss.ts";
import { gpt2 } from "../architectures/gpt2.ts";
import { graniteMoeHybrid } from "../architectures/granitemoehybrid.ts";
import { jetmoe } from "../architectures/jetmoe.ts";
import { lfm2 } from "../architectures/lfm2.ts";
import { llama } from "../architectures/llama.ts";
import { llama4 } from "../architectures/llama4.ts";
import { mambaArchitecture } from "../architectures/mamba.ts";
import { mamba2Architecture } from "../architectures/mamba2.ts";
import { mistral } from "../architectures/mistral.ts";
import { nemotronH } from "../architectures/nemotron-h.ts";
import { phi3 } from "../architectures/phi3.ts";
import { qwen2 } from "../architectures/qwen2.ts";
import { qwen35 } from "../architectures/qwen3-5.ts";
import { qwen3Next } from "../architectures/qwen3-next.ts";
import type { Architecture } from "../decoder/decoder.ts";
import type { TransformerConfig } from "../decoder/transformer.ts";
import { Fields } from "./fields.ts";
import { readRope } from "./rope.ts";

type Json = Record<string, unknown>;

/** Without Hugging Face's keys, as in the files of Mamba's authors. */
const ORIGINAL = { hidden_size: undefined, d_model: 32 };

/** A fixture's config.json with some changed keys. */
function source(name: string, changes: Json = {}) {
  const file = fileURLToPath(new URL(`../fixtures/${name}/config.json`, import.meta.url));
  return {
    kind: "huggingface" as const,
    path: "config.json",
    config: { ...(JSON.parse(readFileSync(file, "utf8")) as Json), ...changes },
  };
}

const configure = (architecture: Architecture, name: string, changes?: Json) =>
  architecture.configure(source(name, changes)) as TransformerConfig;

test.each<[Json, number]>([
  [{}, 40],
  [{ block_auto_adjust_ff_dim: false }, 48],
  [{ block_ffn_dim_multiplier: 1, block_multiple_of: 5 }, 35],
  // The authors' older key takes precedence.
  [{ block_ff_dim: 96, block_ffn_dim_multiplier: 1 }, 64],
])("LFM2's feed-forward of %o is %d wide", (changes, width) => {
  expect(configure(lfm2, "lfm2", changes).ffn).toBe(width);
});

test("Gemma 4's heads are read by kind of layer, as published, and layer by layer, as transformers writes them", () => {
  const [local, far] = [
    { kvHeads: 2, headSize: 16 },
    { kvHeads: 1, headSize: 32 },
  ];
  const heads = (changes: Json) => {
    const config = configure(gemma4, "gemma4", changes);
    return [0, 1, 2].map((layer) => config.ownHeads?.(layer));
  };
  expect(heads({})).toEqual([local, local, far]);
  const own = { head_dim: 32, num_key_value_heads: 1 };
  const byLayer = {
    global_head_dim: undefined,
    num_global_key_value_heads: undefined,
    per_layer_config: { 2: own, 5: own },
  };
  expect(heads(byLayer)).toEqual([local, local, far]);
  expect(heads({ attention_k_eq_v: false })[2]).toEqual({ kvHeads: 2, headSize: 32 });
});

test("Llama 4 has no tables for more than 262,144 positions, and no chunks or temperatures if its configuration says so", () => {
  const { context, chunk, temperature } = configure(llama4, "llama4", { max_position_embeddings: 10485760 });
  expect([context, chunk?.(0), chunk?.(3), temperature]).toEqual([
    262144,
    8192,
    undefined,
    { floor: 8192, scale: 0.1 },
  ]);
  const types = Array(8).fill("full_attention");
  const plain = configure(llama4, "llama4", { layer_types: types, attn_temperature_tuning: false });
  expect([plain.chunk?.(0), plain.window(0), plain.temperature]).toEqual([undefined, undefined, undefined]);
  const whole = configure(llama4, "llama4", { layer_types: undefined, attention_chunk_size: null });
  expect([whole.chunk?.(0), whole.rope(0) === undefined, whole.rope(3)]).toEqual([undefined, false, undefined]);
});

/** Returns the layers with rotary embedding, and the windows. */
const seen = ({ layers, rope, window }: TransformerConfig) =>
  Array.from({ length: layers }, (_, layer) => [rope(layer) !== undefined, window(layer)]);

test.each<[Json, boolean[]]>([
  [{ sliding_window_pattern: "LGG" }, [true, false, false, true, false, false]],
  [{ sliding_window_pattern: 2 }, [true, false, true, false, true, false]],
  [{ sliding_window_pattern: undefined }, [true, true, true, false, true, true]],
])("EXAONE 4's layers by %o: those with a window rotate, and no other", (changes, slides) => {
  const expected = slides.map((own) => [own, own ? 7 : undefined]);
  expect(seen(configure(exaone4, "exaone4", { layer_types: undefined, ...changes }))).toEqual(expected);
});

test("without windows, all of EXAONE 4's layers rotate, and none of Cohere 2's does", () => {
  const plain = { sliding_window: null };
  expect(seen(configure(exaone4, "exaone4", plain))).toEqual(Array(6).fill([true, undefined]));
  expect(seen(configure(cohere2, "cohere2", plain))).toEqual(Array(8).fill([false, undefined]));
});

describe("what would change the numbers and is not supported is refused by name", () => {
  test.each<[Architecture, string, Json, string]>([
    [llama, "llama-yarn", { hidden_act: "relu2" }, 'config.json: "hidden_act" is "relu2", expected gelu, gelu_new, '],
    [gpt2, "gpt2", { activation_function: "tanh" }, '"activation_function" is "tanh", expected gelu, gelu_new, '],
    [gpt2, "gpt2", { scale_attn_by_inverse_layer_idx: 1 }, '"scale_attn_by_inverse_layer_idx" is 1, expected true or '],
    [llama, "llama-yarn", { is_causal: false }, '"is_causal" is false, expected true; nothing else is supported'],
    [gemma2, "gemma2", { layer_types: ["chunked_attention"] }, '"layer_types" is "chunked_attention"'],
    [llama, "llama-yarn", { rope_parameters: { rope_type: "dynamic", factor: 2 } }, '"rope_scaling" is "dynamic"'],
    [llama, "llama-yarn", { rope_parameters: { rope_type: "linear" } }, '"factor" is missing'],
    [llama, "llama-yarn", { rope_parameters: { rope_type: "linear", factor: -2 } }, '"factor" is -2'],
    [llama, "llama-yarn", { rope_parameters: [] }, '"rope_parameters" is [], expected an object'],
    [llama, "llama-yarn", { hidden_size: "wide" }, '"hidden_size" is "wide", expected a number'],
    [llama, "llama-yarn", { hidden_size: null }, '"hidden_size" is missing, expected a number'],
    [llama, "llama-yarn", { attention_bias: 1 }, '"attention_bias" is 1, expected true or false'],
    [
      llama,
      "llama-yarn",
      { vocab_size: 1e9 },
      "the model's vocabulary: Too big: expected number to be <=2097152, got 1000000000",
    ],
    [
      phi3,
      "phi3-long",
      { original_max_position_embeddings: -1 },
      '"original_max_position_embeddings" is -1, expected a whole number above 0',
    ],
    [llama, "llama-yarn", { num_key_value_heads: 3 }, "4 attention heads cannot share 3 key-value heads evenly"],
    [jetmoe, "jetmoe", { kv_channels: 24 }, "the width of expert heads must be a multiple of 16, got 24"],
    [llama, "llama-yarn", { head_dim: 7 }, "the head size must be even and at least 8, got 7"],
    [
      mambaArchitecture,
      "mamba",
      { state_size: 0 },
      "the model's stateSize: Too small: expected number to be >=1, got 0",
    ],
    [gptOss, "gpt_oss", { hidden_act: "gelu" }, '"hidden_act" is "gelu", expected "silu"'],
    [
      gptOss,
      "gpt_oss",
      { rope_parameters: null },
      '"rope_parameters" is missing, expected the parameters of its rotary',
    ],
    [gptOss, "gpt_oss", { swiglu_limit: "7" }, '"swiglu_limit" is "7", expected a number'],
    [gptOss, "gpt_oss", { num_experts_per_tok: 5 }, "expected at most the 4 experts"],
    [mambaArchitecture, "mamba", { use_conv_bias: false }, '"use_conv_bias" is false, expected true'],
    [
      graniteMoeHybrid,
      "granitemoehybrid",
      { layer_types: ["mamba", "conv", "attention", "mamba", "mamba", "attention"] },
      'expected 6 of "attention", "full_attention", "mamba", "linear_attention"',
    ],
    [graniteMoeHybrid, "granitemoehybrid", { layer_types: ["mamba"] }, '"layer_types" is ["mamba"], expected 6 of '],
    [
      graniteMoeHybrid,
      "granitemoehybrid",
      { position_embedding_type: "alibi" },
      '"position_embedding_type" is "alibi"',
    ],
    [graniteMoeHybrid, "granitemoehybrid", { mamba_proj_bias: true }, '"mamba_proj_bias" is true, expected false'],
    [graniteMoeHybrid, "granitemoehybrid", { mamba_n_heads: 3 }, "3 heads do not divide the inner width 64"],
    [graniteMoeHybrid, "granitemoehybrid", { num_experts_per_tok: 5 }, "expected at most the 4 experts"],
    [falconH1, "falcon_h1", { projectors_bias: true }, '"projectors_bias" is true, expected false'],
    [falconH1, "falcon_h1", { mlp_multipliers: [1] }, '"mlp_multipliers" is [1], expected 2 numbers'],
    [falconH1, "falcon_h1", { ssm_multipliers: [1, 1, "x", 1, 1] }, '"ssm_multipliers" is [1,1,"x",1,1], expected 5'],
    [
      nemotronH,
      "nemotron_h",
      { hybrid_override_pattern: "M-MX" },
      '"hybrid_override_pattern" is ["M","-","M","X"], expected a list of *, M, -, E',
    ],
    [nemotronH, "nemotron_h-experts", { moe_latent_size: 8 }, '"moe_latent_size" is 8, expected none'],
    [nemotronH, "nemotron_h-experts", { num_experts_per_tok: 7 }, "expected at most the 5 experts"],
    [nemotronH, "nemotron_h", { hybrid_override_pattern: "M--" }, "layer 2 is a feed-forward, expected attention or a"],
    [nemotronH, "nemotron_h", { mlp_hidden_act: "silu" }, '"mlp_hidden_act" is "silu", expected "relu2"'],
    [
      qwen3Next,
      "qwen3_next",
      { linear_num_key_heads: 3 },
      "config.json: 4 value heads cannot share 3 key heads evenly",
    ],
    [
      exaone4,
      "exaone4",
      { sliding_window_pattern: "LLX" },
      '"sliding_window_pattern" is "LLX", expected a whole number',
    ],
    [
      exaone4,
      "exaone4",
      { sliding_window_pattern: 0 },
      '"sliding_window_pattern" is 0, expected a whole number above 0',
    ],
    [cohere2, "cohere2", { hidden_act: "gelu" }, '"hidden_act" is "gelu", expected "silu"'],
    [
      gemma4,
      "gemma4",
      { hidden_size_per_layer_input: 8, vocab_size_per_layer_input: 64 },
      '"vocab_size_per_layer_input" is 64, expected 72, the value of vocab_size',
    ],
    [
      gemma4,
      "gemma4",
      { num_kv_shared_layers: 4 },
      '"num_kv_shared_layers" is 4, expected a number of trailing layers that leaves an earlier layer of each kind',
    ],
    [gemma4, "gemma4", { num_global_key_value_heads: 3 }, "2 attention heads cannot share 3 key-value heads evenly"],
    [
      gemma4,
      "gemma4",
      { use_bidirectional_attention: "all" },
      '"use_bidirectional_attention" is "all", expected "vision"',
    ],
    [gemma4, "gemma4", { rope_parameters: undefined }, '"rope_parameters" is missing, expected fields for each kind'],
    [llama4, "llama4", { attention_chunk_size: 1.5 }, '"attention_chunk_size" is 1.5, expected a whole number above 0'],
    [llama4, "llama4", { floor_scale: 0 }, '"floor_scale" is 0, expected a number above 0'],
    [gemma4, "gemma4", { global_head_dim: 24 }, "the head size must be a multiple of 16, got 24"],
    [llama4, "llama4", { num_experts_per_tok: 5 }, "expected at most the 3 experts"],
    [qwen35, "qwen3_5", { linear_num_key_heads: 3 }, "config.json: 4 value heads cannot share 3 key heads evenly"],
    [lfm2, "lfm2", { conv_bias: true }, '"conv_bias" is true, expected false'],
    [lfm2, "lfm2", { conv_L_cache: 1 }, '"conv_L_cache" is 1, expected a whole number from 2 to 64'],
    [mamba2Architecture, "mamba2", { n_groups: 3 }, "config.json: 3 groups do not divide the 4 heads"],
    [mamba2Architecture, "mamba2", { num_heads: 5 }, "config.json: 5 heads do not divide the inner width 64"],
    [mamba2Architecture, "mamba2", { head_dim: 8 }, "config.json: 4 heads of 8 do not add up to the inner width 64"],
    [mamba2Architecture, "mamba2", { time_step_limit: [0, 0.1] }, '"time_step_limit" is [0,0.1], expected no limit'],
    [mamba2Architecture, "mamba2", { ...ORIGINAL, attn_layer_idx: [1] }, '"attn_layer_idx" names attention layers'],
    [mistral, "mistral", { sliding_window: 0 }, '"sliding_window" is 0, expected a whole number above 0'],
  ])("%#: %j", (architecture, name, changes, sentence) => {
    const attempt = () => configure(architecture, name, changes);
    expect(attempt).toThrow(UserError);
    expect(attempt).toThrow(sentence);
  });
});

test("unknown keys that change nothing are passed over", () => {
  const plain = configure(llama, "llama-yarn");
  const more = configure(llama, "llama-yarn", { torch_dtype: "bfloat16", _name_or_path: "x", pretraining_tp: 1 });
  expect(JSON.stringify(more)).toBe(JSON.stringify(plain));
});

describe("configurations older than transformers 5 say the same", () => {
  const old = (changes: Json) => ({ rope_parameters: undefined, ...changes });

  test("rope_theta and rope_scaling beside it, its type under either key", () => {
    const scaling = { factor: 4, original_max_position_embeddings: 16 };
    const expected = configure(llama, "llama-yarn").rope(0);
    for (const key of ["type", "rope_type"]) {
      const changes = old({ rope_theta: 5000, rope_scaling: { [key]: "yarn", ...scaling } });
      expect(configure(llama, "llama-yarn", changes).rope(0)).toEqual(expected);
    }
    const plain = configure(llama, "llama-yarn", old({ rope_theta: 5000, rope_scaling: null })).rope(0);
    expect(plain).toEqual({ theta: 5000, headSize: 16, positions: 64, scaling: undefined });
  });

  test("gemma3: rope_local_base_freq and sliding_window_pattern", () => {
    const changes = old({
      rope_theta: 90000,
      rope_scaling: { rope_type: "linear", factor: 2 },
      rope_local_base_freq: 10000,
      sliding_window_pattern: 6,
      layer_types: undefined,
    });
    const [ours, expected] = [configure(gemma3, "gemma3", changes), configure(gemma3, "gemma3")];
    for (let layer = 0; layer < 6; layer++) {
      expect(ours.rope(layer)).toEqual(expected.rope(layer));
      expect(ours.window(layer)).toBe(expected.window(layer));
      expect(ours.window(layer)).toBe(layer === 5 ? undefined : 8);
    }
  });

  test("gemma3 with images: the text's part, of which 4B's says little", () => {
    const text_config = {
      ...{ hidden_size: 2560, intermediate_size: 10240, model_type: "gemma3_text", num_hidden_layers: 34 },
      ...{ rope_scaling: { factor: 8, rope_type: "linear" }, sliding_window: 1024 },
    };
    const config = configure(gemma3, "gemma3-images", { text_config });
    expect(config).toMatchObject({ heads: 8, kvHeads: 4, headSize: 256, vocabulary: 262208, context: 131072 });
    expect([config.window(0), config.window(5)]).toEqual([1024, undefined]);
    expect(config.rope(0)).toEqual({ theta: 1e4, headSize: 256, positions: 131072 });
    expect(config.rope(5)).toMatchObject({ theta: 1e6, scaling: { type: "linear", factor: 8 } });
    expect(config).toMatchObject({ embeddingScale: Math.sqrt(2560), epsilon: 1e-6 });
    expect(config.attentionScale(0)).toBe(1 / 16);
    const refused = () => configure(gemma3, "gemma3-images", { text_config: [] });
    expect(refused).toThrow('"text_config" is [], expected an object');
  });

  test("gemma2 without layer_types: every other layer slides, the first does", () => {
    const config = configure(gemma2, "gemma2", { layer_types: undefined });
    expect([0, 1, 2].map((l) => config.window(l))).toEqual([8, undefined, 8]);
  });

  test("qwen2: a window that is not turned on counts for nothing", () => {
    const off = configure(qwen2, "qwen2-window", { use_sliding_window: false, layer_types: undefined });
    expect([off.window(0), off.window(1)]).toEqual([undefined, undefined]);
    const on = configure(qwen2, "qwen2-window", { layer_types: undefined });
    expect([on.window(0), on.window(1)]).toEqual([undefined, 7]);
  });
});

test("YaRN with two coefficients (DeepSeek's) has their quotient for its magnitude", () => {
  const rope_parameters = { rope_type: "yarn", factor: 40, mscale: 0.8, mscale_all_dim: 1 };
  const { scaling } = readRope(new Fields(source("llama-yarn", { rope_parameters }), "llama"), 16, 64);
  const temperature = (m: number) => 0.1 * m * Math.log(40) + 1;
  expect(scaling).toMatchObject({ type: "yarn", magnitude: temperature(0.8) / temperature(1) });
});

test("DeepSeek's attention has the square of a temperature in its scale, and latents' norms an epsilon of their own", () => {
  const temperature = 0.1 * 0.7 * Math.log(4) + 1;
  const config = configure(deepSeekV2, "deepseek_v2");
  expect(config.attentionScale(0)).toBeCloseTo(temperature ** 2 / Math.sqrt(48), 12);
  expect(config.rope(0)).toMatchObject({ headSize: 16, scaling: { type: "yarn", magnitude: 1 } });
  const plain = configure(deepSeekV2, "deepseek_v2", { rope_parameters: { rope_type: "default" }, rms_norm_eps: 1e-3 });
  expect(plain.attentionScale(0)).toBe(1 / Math.sqrt(48));
  expect([plain.epsilon, plain.latent?.epsilon]).toEqual([1e-3, 1e-6]);
  const pairsOf = (changes: Json) => configure(deepSeekV3, "deepseek_v3", changes).pairs;
  expect([pairsOf({}), pairsOf({ rope_interleave: false })]).toEqual(["interleaved", "half"]);
});

test("LongRoPE: the scale of attention, and a context without long sequences", () => {
  const scalingOf = (changes: Json, more: Json = {}) => {
    const { config } = source("phi3-long");
    const rope_parameters = { ...(config["rope_parameters"] as Json), ...more };
    return configure(phi3, "phi3-long", { rope_parameters, ...changes });
  };
  const magnitude = (by: number) => Math.sqrt(1 + Math.log(by) / Math.log(48));
  expect(scalingOf({}).rope(0)!.scaling).toMatchObject({ type: "long", original: 48, magnitude: magnitude(64 / 48) });
  expect(scalingOf({}, { factor: 4 }).rope(0)!.scaling).toMatchObject({ magnitude: magnitude(4) });
  expect(scalingOf({}, { factor: 4, attention_factor: 1.5 }).rope(0)!.scaling).toMatchObject({ magnitude: 1.5 });
  const short = scalingOf({ max_position_embeddings: 48 });
  expect(short.rope(0)!.scaling).toMatchObject({ type: "factors", magnitude: 1 });
  expect([scalingOf({}).longRopeBeyond, short.longRopeBeyond]).toEqual([48, undefined]);
  expect(() => scalingOf({}, { long_factor: [1, "2"] })).toThrow(
    '"long_factor" is [1,"2"], expected a list of positive',
  );
  expect(() => scalingOf({}, { short_factor: [1, 2] })).toThrow('"short_factor" has 2 values, expected 8');
  const nested = { full_attention: { ...(source("phi3-long").config["rope_parameters"] as Json) } };
  expect(() => configure(gemma3, "gemma3", { rope_parameters: nested })).toThrow('"rope_scaling" is "longrope"');
});

test("scalings leave the fastest pair and divide the slowest", () => {
  const base = { theta: 10000, headSize: 64, positions: 8 };
  const plain = ropeFrequencies(base);
  const yarn = { type: "yarn", factor: 4, original: 4096, fast: 32, slow: 1, truncate: true, magnitude: 1 } as const;
  const llama3 = { type: "llama3", factor: 8, low: 1, high: 4, original: 8192 } as const;
  for (const scaling of [yarn, llama3]) {
    const scaled = ropeFrequencies({ ...base, scaling });
    expect(scaled[0]).toBe(plain[0]);
    expect(scaled.at(-1)).toBeCloseTo(plain.at(-1)! / scaling.factor, 12);
    for (const [i, f] of scaled.entries()) expect(f).toBeLessThanOrEqual(plain[i]!);
  }
});

test("what a configuration leaves out has transformers' default", () => {
  const sizes = { hidden_size: 32, num_hidden_layers: 1, num_attention_heads: 2, vocab_size: 5 };
  const llamaLike = { ...sizes, intermediate_size: 48, max_position_embeddings: 16 };
  const epsilonOf = ({ configure }: typeof gpt2, config: object) =>
    configure({ kind: "huggingface", path: "config.json", config: config as Json }).epsilon;
  expect(epsilonOf(gpt2, { n_embd: 32, n_layer: 1, n_head: 2, n_positions: 8, vocab_size: 5 })).toBe(1e-5);
  expect([llama, mistral, qwen2].map((it) => epsilonOf(it, llamaLike))).toEqual([1e-6, 1e-6, 1e-6]);
  expect(epsilonOf(llama, { ...llamaLike, rms_norm_eps: 1e-5 })).toBe(1e-5);
});
