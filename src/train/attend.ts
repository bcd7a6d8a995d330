import { causalAttention, type Graph, rotaryEmbedding, split, type Tensor } from "../graph/index.ts";
import type { Decoder } from "../models/decoder.ts";
import type { Shape } from "./stack.ts";

/**
 * A layer's attention over whole rows: qkv [rows, tokens, (heads + 2·kvHeads)·headSize] → [rows, tokens,
 * heads·headSize]. In packed rows, no token sees other documents of its row; the input `documents` i64 [rows, tokens]
 * separates them. Tokens of prefixes see each other in both directions; the input `prefix` i64 [rows, tokens] tells them.
 */
export function attend(g: Graph, decoder: Decoder, layer: number, qkv: Tensor, shape: Shape): Tensor {
  const { heads, kvHeads, headSize, rotary: pairs, scale, window, softcap } = decoder.attention(layer);
  const widths = [heads, kvHeads, kvHeads].map((n) => n * headSize);
  const [q, k, v] = split(qkv, 2, widths) as [Tensor, Tensor, Tensor];
  const tables = decoder.rotary(g, layer);
  const turned = (x: Tensor, n: number): Tensor =>
    pairs === "none" || !tables ? x : rotaryEmbedding(x, firstPosition(g), tables, { heads: n, pairs });
  const perToken = (name: string, given = false) => (given ? g.input(name, "i64", qkv.shape.slice(0, 2)) : undefined);
  const [documents, prefix] = [perToken("documents", shape.packed), perToken("prefix", shape.prefixed)];
  const operands = { q: turned(q, heads), k: turned(k, kvHeads), v, documents, prefix };
  return causalAttention(operands, { heads, kvHeads, headSize, scale, window, softcap });
}

/** Every row begins at position 0. */
const firstPosition = (g: Graph): Tensor =>
  g.constant("first position", { dtype: "i64", shape: [1] }, { kind: "memory", bytes: new Uint8Array(8) });
