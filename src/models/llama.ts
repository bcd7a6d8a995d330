import { z } from "zod";
import { type Graph, gather, quantizedEmbedding } from "../graph/index.ts";
import { project } from "../nn/linear.ts";
import { gatedMlp } from "../nn/mlp.ts";
import { ropeTable } from "../nn/rope.ts";
import { enter, type Stream } from "../nn/stream.ts";
import { UserError } from "../util/errors.ts";
import type { ConfigSource } from "../weights/checkpoint.ts";
import type { Weights } from "../weights/prepared/weights.ts";
import { checkConfig } from "./config.ts";
import type { Architecture, Block, Decoder } from "./decoder.ts";

const schema = z.object({
  layers: z.int().min(1).max(1000),
  hidden: z
    .int()
    .min(1)
    .max(1 << 16),
  heads: z.int().min(1).max(1024),
  kvHeads: z.int().min(1).max(1024),
  headSize: z.int().min(2).max(1024),
  ffn: z
    .int()
    .min(1)
    .max(1 << 20),
  vocabulary: z
    .int()
    .min(1)
    .max(1 << 21),
  context: z
    .int()
    .min(1)
    .max(1 << 22),
  epsilon: z.number().positive().max(1),
  theta: z.number().positive(),
});
type LlamaConfig = z.infer<typeof schema>;

function configure(config: ConfigSource): LlamaConfig {
  if (config.kind !== "gguf") throw new UserError(`${config.path}: llama is read from GGUF files only`);
  const { metadata } = config;
  const hidden = metadata.integer("llama.embedding_length");
  const heads = metadata.integer("llama.attention.head_count");
  const keyLength = "llama.attention.key_length";
  return checkConfig(schema, config, {
    hidden,
    heads,
    layers: metadata.integer("llama.block_count"),
    kvHeads: metadata.integer("llama.attention.head_count_kv", heads),
    headSize: metadata.has(keyLength) ? metadata.integer(keyLength) : hidden / heads,
    ffn: metadata.integer("llama.feed_forward_length"),
    vocabulary: metadata.integer("llama.vocab_size", metadata.strings("tokenizer.ggml.tokens").length),
    context: metadata.integer("llama.context_length"),
    epsilon: metadata.number("llama.attention.layer_norm_rms_epsilon"),
    theta: metadata.number("llama.rope.freq_base", 10000),
  });
}

function block(weights: Weights, graph: Graph, layer: number, config: LlamaConfig): Block {
  const { hidden, heads, kvHeads, headSize, ffn } = config;
  const name = (part: string) => `blk.${layer}.${part}.weight`;
  const gain = (part: string) => weights.vector(graph, { [name(part)]: hidden });
  /** Projections of `inputs` by their outputs, as one. */
  const matrix = (inputs: number, outputs: Record<string, number>) =>
    weights.matrix(graph, inputs, Object.fromEntries(Object.entries(outputs).map(([part, n]) => [name(part), n])));
  return {
    attentionIn(stream) {
      const { normed, residual } = enter(stream, gain("attn_norm"), config.epsilon);
      const kv = kvHeads * headSize;
      const qkv = project(normed, matrix(hidden, { attn_q: heads * headSize, attn_k: kv, attn_v: kv }));
      return { qkv, residual };
    },
    attentionOut: (attended, residual) => ({
      branch: project(attended, matrix(heads * headSize, { attn_output: hidden })),
      residual,
    }),
    feedForward(stream) {
      const { normed, residual } = enter(stream, gain("ffn_norm"), config.epsilon);
      const gateUp = matrix(hidden, { ffn_gate: ffn, ffn_up: ffn });
      return { branch: gatedMlp(normed, gateUp, matrix(ffn, { ffn_down: hidden }), ffn), residual };
    },
  };
}

function open(weights: Weights): Decoder {
  const config = configure(weights.checkpoint.config);
  const { hidden, vocabulary, heads, kvHeads, headSize, theta, context, epsilon } = config;
  const rope = { theta, headSize, positions: context };
  const table = (graph: Graph, name: "cos" | "sin") =>
    weights.computed(graph, `rope.${name}`, [context, headSize / 2], () => ropeTable(Math[name], rope));
  const head = weights.has("output.weight") ? "output.weight" : "token_embd.weight";
  return {
    config,
    // llama.cpp's converter permutes q and k so that rotated pairs lie next to each other.
    attention: { heads, kvHeads, headSize, scale: 1 / Math.sqrt(headSize), rotary: "interleaved" },
    rotary: (graph) => ({ cos: table(graph, "cos"), sin: table(graph, "sin") }),
    embed(graph, ids) {
      if (!weights.inBlocks("token_embd.weight"))
        return gather(weights.table(graph, "token_embd.weight", [vocabulary, hidden]), ids, 0);
      const rows = weights.matrix(graph, hidden, { "token_embd.weight": vocabulary });
      if (rows.kind !== "blocks") throw new Error("a quantised table is stored in blocks");
      return quantizedEmbedding(ids, rows.matrix);
    },
    block: (graph, layer) => block(weights, graph, layer, config),
    finish: (graph, stream: Stream) =>
      enter(stream, weights.vector(graph, { "output_norm.weight": hidden }), epsilon).normed,
    logits: (graph, normed) => project(normed, weights.matrix(graph, hidden, { [head]: vocabulary })),
  };
}

/** Llama (Touvron et al. 2023) and its kin: SmolLM2, TinyLlama. */
export const llama: Architecture = { name: "llama", configure, open };
