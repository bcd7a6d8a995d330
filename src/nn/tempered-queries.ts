import { concat, gather, split, type Tensor, timesRows } from "../graph/index.ts";

interface Heads {
  readonly heads: number;
  readonly headSize: number;
}

/**
 * Scales queries by position: x [batch, tokens, …] begins with `heads` heads of queries, or holds only queries
 * if `heads` is absent; `factors` f32 [positions], `positions` i64 [batch, tokens]. Without factors, x does not change.
 */
export function temperedQueries(
  x: Tensor,
  factors: Tensor | undefined,
  positions: () => Tensor,
  heads?: Heads,
): Tensor {
  if (factors === undefined) return x;
  const width = Number(x.shape[2]);
  const own = heads ? heads.heads * heads.headSize : width;
  const tempered = (q: Tensor) => timesRows(q, gather(factors, positions(), 0));
  if (own === width) return tempered(x);
  const [q, rest] = split(x, 2, [own, width - own]) as [Tensor, Tensor];
  return concat([tempered(q), rest], 2);
}
