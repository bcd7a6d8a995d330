/** The decoder of `TinyLlama` in tools/reference/authors/common.py, with the same weights from a generator instead of a file. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { numbers } from "../util/authors.testing.ts";
import { type TensorSpec, writeSafetensors } from "../weights/safetensors/safetensors.testing.ts";

const [hidden, intermediate, heads, kvHeads, headSize, vocabulary] = [64, 80, 4, 2, 16, 40];

/** Writes a decoder with `layers` layers into a folder, and returns the path of its weights. */
export function tinyLlama(folder: string, layers: number): string {
  let seed = 1000;
  const tensors: Record<string, TensorSpec> = {};
  const add = (name: string, shape: number[], of: (x: number) => number) => {
    const values = numbers(
      ++seed,
      shape.reduce((a, b) => a * b),
    ).map(of);
    tensors[`model.${name}.weight`] = { dtype: "F32", shape, data: new Uint8Array(values.buffer) };
  };
  const matrix = (name: string, shape: number[]) => add(name, shape, (x) => x / 4);
  const scale = (name: string) => add(name, [hidden], (x) => 1 + x / 4);
  const kv = kvHeads * headSize;
  matrix("embed_tokens", [vocabulary, hidden]);
  for (let layer = 0; layer < layers; layer++) {
    const of = (name: string) => `layers.${layer}.${name}`;
    scale(of("input_layernorm"));
    matrix(of("self_attn.q_proj"), [hidden, hidden]);
    matrix(of("self_attn.k_proj"), [kv, hidden]);
    matrix(of("self_attn.v_proj"), [kv, hidden]);
    matrix(of("self_attn.o_proj"), [hidden, hidden]);
    scale(of("post_attention_layernorm"));
    matrix(of("mlp.gate_proj"), [intermediate, hidden]);
    matrix(of("mlp.up_proj"), [intermediate, hidden]);
    matrix(of("mlp.down_proj"), [hidden, intermediate]);
  }
  scale("norm");
  const config = {
    ...{ model_type: "llama", architectures: ["LlamaForCausalLM"], hidden_act: "silu", tie_word_embeddings: true },
    ...{ hidden_size: hidden, intermediate_size: intermediate, num_hidden_layers: layers, vocab_size: vocabulary },
    ...{ num_attention_heads: heads, num_key_value_heads: kvHeads, head_dim: headSize, max_position_embeddings: 1024 },
    ...{ rms_norm_eps: 1e-5, rope_theta: 10000, attention_bias: false, mlp_bias: false },
  };
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  const file = join(folder, "model.safetensors");
  writeFileSync(file, writeSafetensors(tensors));
  return file;
}
