import { type Dim, matmul, reshape, softmax, type Tensor, transpose } from "../graph/index.ts";

/** Multi-head attention over any keys, with its weights. */
export interface AttentionOutput {
  /** [batch, queries, width] */
  readonly values: Tensor;
  /** [batch, heads, queries, keys], summing to 1 over the keys. */
  readonly weights: Tensor;
}

/**
 * Scaled dot-product attention (Vaswani et al. 2017, section 3.2) from plain operators: it trains, and returns its
 * weights. q [batch, queries, width], k and v [batch, keys, width]. Every query sees every key.
 */
export function attend(q: Tensor, k: Tensor, v: Tensor, heads: number): AttentionOutput {
  const size = Number(q.shape.at(-1)) / heads;
  const apart = (x: Tensor) => transpose(reshape(x, [x.shape[0] as Dim, x.shape[1] as Dim, heads, size]), [0, 2, 1, 3]);
  const weights = softmax(matmul(apart(q), apart(k), { transB: true, scale: 1 / Math.sqrt(size) }));
  const values = transpose(matmul(weights, apart(v)), [0, 2, 1, 3]);
  return { values: reshape(values, q.shape), weights };
}
