import { type Graph, gather, reshape, rotaryEmbedding, split, type Tensor } from "../../graph/index.ts";
import type { Decoder } from "./decoder.ts";

/** A layer's queries, keys and values over whole sequences, heads adjacent: [batch, tokens, heads · headSize] each. */
export interface WholeHeads {
  readonly q: Tensor;
  readonly k: Tensor;
  readonly v: Tensor;
}

/**
 * The heads of qkv [batch, tokens, (heads + 2·kvHeads)·headSize]: queries and keys are rotated from position `first` i64
 * [1] on, and keys and values are repeated for heads that share them.
 */
export function wholeHeads(g: Graph, decoder: Decoder, layer: number, qkv: Tensor, first: Tensor): WholeHeads {
  const { heads, kvHeads, headSize, rotary: pairs } = decoder.attention(layer);
  const widths = [heads, kvHeads, kvHeads].map((n) => n * headSize);
  const [q, k, v] = split(qkv, 2, widths) as [Tensor, Tensor, Tensor];
  const tables = decoder.rotary(g, layer);
  const turned = (x: Tensor, of: number) =>
    pairs === "none" || !tables ? x : rotaryEmbedding(x, first, tables, { heads: of, pairs });
  const each = (x: Tensor) => eachHead(g, x, heads, kvHeads);
  return { q: turned(q, heads), k: each(turned(k, kvHeads)), v: each(v) };
}

/** Keys or values for each head; several heads may share one. */
function eachHead(g: Graph, x: Tensor, heads: number, kvHeads: number): Tensor {
  if (heads === kvHeads) return x;
  const indices = BigInt64Array.from({ length: heads }, (_, head) => BigInt(Math.floor((head * kvHeads) / heads)));
  const type = { dtype: "i64", shape: [heads] } as const;
  const data = { kind: "memory", bytes: new Uint8Array(indices.buffer) } as const;
  const of = g.constant(`heads ${heads} of ${kvHeads}`, type, data);
  const [batch, tokens, width] = x.shape as [Tensor["shape"][0], Tensor["shape"][0], number];
  const headSize = width / kvHeads;
  return reshape(gather(reshape(x, [batch!, tokens!, kvHeads, headSize]), of, 2), [batch!, tokens!, heads * headSize]);
}
