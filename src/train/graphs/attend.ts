import {
  type AttentionAttrs,
  causalAttention,
  type Graph,
  gather,
  matmul,
  matmulTransposed,
  plus,
  reshape,
  rotaryEmbedding,
  softmax,
  split,
  type Tensor,
  transpose,
} from "../../graph/index.ts";
import type { Decoder } from "../../models/decoder/decoder.ts";
import { type Axes, turnByAxes } from "../../nn/rope-axes.ts";
import { temperedQueries } from "../../nn/tempered-queries.ts";
import type { Shape } from "./stack.ts";

/**
 * A layer's attention over whole rows: qkv [rows, tokens, (heads + 2·kvHeads)·headSize] → [rows, tokens,
 * heads·headSize]. In packed rows, tokens do not attend to other documents; the input `documents` i64 [rows, tokens]
 * separates them. Tokens of a prefix attend to each other in both directions; the input `prefix` i64 [rows, tokens]
 * marks them. If positions have a time, a height and a width, `positions`, `positionsHeight` and `positionsWidth` i64
 * [rows, tokens] hold them. `hidden` f32 [rows, tokens, tokens] is added to scores and hides keys from queries.
 */
export function attend(g: Graph, decoder: Decoder, layer: number, qkv: Tensor, shape: Shape, hidden?: Tensor): Tensor {
  const { rotary: pairs, rotated: _, ...attrs } = decoder.attention(layer);
  const { heads, kvHeads, headSize, scale } = attrs;
  const widths = [heads, kvHeads, kvHeads].map((n) => n * headSize);
  const axes = decoder.axes?.(g, layer);
  const onAxes = axes ? turnByAxes(qkv, attrs, axes, positionsOnAxes(g, qkv)) : qkv;
  const [q, k, v] = split(onAxes, 2, widths) as [Tensor, Tensor, Tensor];
  const tables = decoder.rotary(g, layer);
  const turned = (x: Tensor, n: number): Tensor =>
    pairs === "none" || !tables || axes ? x : rotaryEmbedding(x, firstPosition(g), tables, { heads: n, pairs });
  const tempered = temperedQueries(q, decoder.temperature?.(g, layer), () => everyPosition(g, q));
  const [query, key] = [turned(tempered, heads), turned(k, kvHeads)];
  if (hidden) return attendMasked({ q: query, k: key, v, hidden }, { heads, kvHeads, headSize, scale });
  const perToken = (name: string, present = false) =>
    present ? g.input(name, "i64", qkv.shape.slice(0, 2)) : undefined;
  const [documents, prefix] = [perToken("documents", shape.packed), perToken("prefix", shape.prefixed)];
  const operands = { q: query, k: key, v, documents, prefix, sinks: decoder.sinks?.(g, layer) };
  return causalAttention(operands, attrs);
}

/**
 * Attention from all queries to all keys that no mask hides. Unlike in nn/attend.ts, heads come first: an added term's
 * shape must be a suffix of the scores' shape.
 */
function attendMasked(
  { q, k, v, hidden }: Readonly<Record<"q" | "k" | "v" | "hidden", Tensor>>,
  { heads, kvHeads, headSize, scale }: Pick<AttentionAttrs, "heads" | "kvHeads" | "headSize" | "scale">,
): Tensor {
  const [rows, tokens] = q.shape as [number, number];
  const byHead = (x: Tensor, n: number) => transpose(reshape(x, [rows, tokens, n, headSize]), [2, 0, 1, 3]);
  const repeated = (x: Tensor) => (kvHeads === heads ? x : gather(x, groups(q.graph, heads, kvHeads), 0));
  const [keys, values] = [k, v].map((x) => repeated(byHead(x, kvHeads))) as [Tensor, Tensor];
  const weights = softmax(plus(matmulTransposed(byHead(q, heads), keys, scale), hidden));
  return reshape(transpose(matmul(weights, values), [1, 2, 0, 3]), q.shape);
}

/** Position inputs for time, height and width (M-RoPE). */
function positionsOnAxes(g: Graph, qkv: Tensor): Axes<Tensor> {
  const of = (axis: string) => g.input(`positions${axis}`, "i64", qkv.shape.slice(0, 2));
  return [of(""), of("Height"), of("Width")];
}

/** Maps each query head to its key–value head. */
function groups(g: Graph, heads: number, kvHeads: number): Tensor {
  const of = BigInt64Array.from({ length: heads }, (_, head) => BigInt(Math.floor((head * kvHeads) / heads)));
  const type = { dtype: "i64", shape: [heads] } as const;
  return g.constant("key heads", type, { kind: "memory", bytes: new Uint8Array(of.buffer) });
}

/** The positions of all tokens, i64 [rows, tokens]. */
function everyPosition(g: Graph, q: Tensor): Tensor {
  const [rows, tokens] = q.shape as [number, number];
  const all = BigInt64Array.from({ length: rows * tokens }, (_, i) => BigInt(i % tokens));
  const type = { dtype: "i64", shape: [rows, tokens] } as const;
  return g.constant("positions", type, { kind: "memory", bytes: new Uint8Array(all.buffer) });
}

/** Every row begins at position 0. */
const firstPosition = (g: Graph): Tensor =>
  g.constant("first position", { dtype: "i64", shape: [1] }, { kind: "memory", bytes: new Uint8Array(8) });
