import {
  type AttentionAttrs,
  aheadMask,
  type CacheTensors,
  type Dim,
  gather,
  matmul,
  mul,
  plus,
  reshape,
  rotaryEmbedding,
  softcap,
  softmax,
  split,
  type Tensor,
  transpose,
  writeCache,
} from "../graph/index.ts";
import type { Tables } from "./rope-axes.ts";

/** A layer's cache for one row. `ahead` i64 [tokens]: the number of later tokens that each new token sees. */
interface AheadTensors extends Omit<CacheTensors, "total"> {
  readonly positions: Tensor;
  readonly ahead: Tensor;
}

/**
 * Like `cachedAttention`, for one row whose tokens may also see later ones (tokens of one image, as in Gemma 3): qkv
 * [1, tokens, (heads + 2·kvHeads)·headSize] → `attended` [1, tokens, heads·headSize]. A window limits only earlier
 * tokens.
 */
export function attentionAhead(
  qkv: Tensor,
  cache: AheadTensors,
  tables: Tables | undefined,
  { heads, kvHeads, headSize, rotary, scale, window, softcap: cap, past }: AttentionAttrs,
) {
  const { positions, lengths, ahead } = cache;
  const [batch, tokens] = qkv.shape as [Dim, Dim];
  const { first, entries, mask } = aheadMask(lengths, ahead, { past, window });
  const widths = [heads, kvHeads, kvHeads].map((n) => n * headSize);
  const [q, k, v] = split(qkv, 2, widths) as [Tensor, Tensor, Tensor];
  const turned = (x: Tensor, n: number) =>
    tables && rotary !== "none" ? rotaryEmbedding(x, positions, tables, { heads: n, pairs: rotary }) : x;
  const byHead = (x: Tensor, n: number) => transpose(reshape(x, [batch, tokens, n, headSize]), [0, 2, 1, 3]);
  const presentKey = writeCache(cache.pastKey, byHead(turned(k, kvHeads), kvHeads), first);
  const presentValue = writeCache(cache.pastValue, byHead(v, kvHeads), first);
  const all = mask.shape[1]!;
  // Queries of heads that share keys and values are stacked.
  const shared = mul(heads / kvHeads, tokens);
  const queries = reshape(byHead(turned(q, heads), heads), [batch, kvHeads, shared, headSize]);
  const products = matmul(queries, gather(presentKey, entries, 2), { transB: true, scale });
  const scores = reshape(cap === undefined ? products : softcap(products, cap), [batch, heads, tokens, all]);
  const weights = reshape(softmax(plus(scores, mask)), [batch, kvHeads, shared, all]);
  const values = reshape(matmul(weights, gather(presentValue, entries, 2)), [batch, heads, tokens, headSize]);
  const attended = reshape(transpose(values, [0, 2, 1, 3]), [batch, tokens, heads * headSize]);
  return { attended, presentKey, presentValue };
}
