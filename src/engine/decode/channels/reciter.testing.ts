/** Models that recite a script, for tests of answer processing. */
import { type Field, writeGguf } from "../../../weights/gguf/gguf.testing.ts";
import { TokenType } from "../../../weights/tokenizer/source.ts";
import { byteSource } from "../../../weights/tokenizer/tokenizer.testing.ts";

interface Recital {
  readonly template: string;
  /** The answer's tokens; only special tokens may repeat. After the last one, the model ends its answer. */
  readonly script: readonly string[];
  /** Control tokens in the script or the template. The first of them ends answers. */
  readonly special: readonly string[];
}

const HIDDEN = 512;

/**
 * A GGUF of one Llama layer that does nothing. Its head follows a table: each script token follows the previous one,
 * and the first follows any token outside the script.
 */
export function reciter({ template, script, special }: Recital): Buffer {
  const bytes = byteSource().tokens;
  // Each special token of the script has a separate id.
  const control = [...special, ...script.filter((word) => special.includes(word))];
  const words = script.filter((word) => !special.includes(word));
  const written = words.map((word) => Array.from(Buffer.from(word), (byte) => bytes[byte]!).join(""));
  const tokens = [...bytes, ...control, ...written];
  let [controls, plain] = [bytes.length + special.length, bytes.length + control.length];
  const line = script.map((word) => (special.includes(word) ? controls++ : plain++));
  const follower = Array.from(tokens, (_, token) => line[line.indexOf(token) + 1] ?? 256);
  const size = tokens.length;
  const [identity, head] = [new Float32Array(size * HIDDEN), new Float32Array(size * HIDDEN)];
  for (const [token, next] of follower.entries()) {
    identity[token * HIDDEN + token] = 1;
    head[next * HIDDEN + token] = 1;
  }
  const types = tokens.map((_, token) =>
    token >= 256 && token < 256 + control.length ? TokenType.control : TokenType.normal,
  );
  const metadata: Record<string, Field> = {
    "general.architecture": ["string", "llama"],
    "llama.block_count": ["uint32", 1],
    "llama.context_length": ["uint32", 4096],
    "llama.embedding_length": ["uint32", HIDDEN],
    "llama.feed_forward_length": ["uint32", 32],
    "llama.attention.head_count": ["uint32", 8],
    "llama.attention.head_count_kv": ["uint32", 1],
    "llama.attention.layer_norm_rms_epsilon": ["float32", 1e-5],
    "tokenizer.ggml.model": ["string", "gpt2"],
    "tokenizer.ggml.pre": ["string", "smollm"],
    "tokenizer.ggml.tokens": ["array", "string", tokens],
    "tokenizer.ggml.token_type": ["array", "int32", types],
    "tokenizer.ggml.merges": ["array", "string", []],
    "tokenizer.ggml.eos_token_id": ["uint32", 256],
    "tokenizer.chat_template": ["string", template],
  };
  const f32 = (name: string, shape: number[], data = new Float32Array(shape.reduce((a, b) => a * b, 1))) => ({
    ...{ name: `${name}.weight`, type: "F32" as const, shape },
    data: new Uint8Array(data.buffer),
  });
  const ones = new Float32Array(HIDDEN).fill(1);
  const tensors = [
    f32("token_embd", [size, HIDDEN], identity),
    f32("output_norm", [HIDDEN], ones),
    f32("output", [size, HIDDEN], head),
    f32("blk.0.attn_norm", [HIDDEN], ones),
    f32("blk.0.attn_q", [HIDDEN, HIDDEN]),
    f32("blk.0.attn_k", [HIDDEN / 8, HIDDEN]),
    f32("blk.0.attn_v", [HIDDEN / 8, HIDDEN]),
    f32("blk.0.attn_output", [HIDDEN, HIDDEN]),
    f32("blk.0.ffn_norm", [HIDDEN], ones),
    f32("blk.0.ffn_gate", [32, HIDDEN]),
    f32("blk.0.ffn_up", [32, HIDDEN]),
    f32("blk.0.ffn_down", [HIDDEN, 32]),
  ];
  return writeGguf({ metadata, tensors });
}
