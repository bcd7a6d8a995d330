import { concat, full, reshape, split, spread, type Tensor } from "../graph/index.ts";
import { type Norm, normalise } from "./norm.ts";

/** Sizes of latent attention. */
export interface LatentSizes {
  /** Width of the latent from which keys and values are computed. */
  readonly rank: number;
  /** Width of the latent from which queries are computed; undefined if they are computed from the input. */
  readonly queryRank: number | undefined;
  /** The number of elements of a query's or key's head that are not rotated. */
  readonly plain: number;
  /** The number of rotated elements; all heads share the key's rotated elements. */
  readonly rotated: number;
  /** Width of a value head, at most that of a key head. */
  readonly value: number;
}

/** The layer's weights, under GGUF's names. */
export interface LatentWeights {
  project(x: Tensor, name: string, outputs: number): Tensor;
  norm(name: string, width: number): Norm;
  /** True if each head's keys and values have separate matrices (`attn_k_b`, `attn_v_b`), instead of one for both (`attn_kv_b`). */
  readonly byHead: boolean;
  /** x times one matrix per head. */
  projectHeads(x: Tensor, name: string, heads: number, outputs: number): Tensor;
}

/**
 * Queries, keys and values of latent attention (MLA, DeepSeek-V2, 2024, section 2.1) from x [batch, tokens, hidden], in the
 * layout of ordinary attention: [batch, tokens, 3·heads·(plain + rotated)]. Keys and values are expanded for each head, a
 * head's rotated elements come first, and zeros pad values to the width of keys.
 */
export function latentQkv(x: Tensor, weights: LatentWeights, heads: number, sizes: LatentSizes): Tensor {
  const { rank, plain, rotated } = sizes;
  const rows = x.shape.slice(0, 2);
  const size = plain + rotated;
  const queries = reshape(queriesOf(x, weights, heads * size, sizes), [...rows, heads, size]);
  const [plainQ, rotatedQ] = split(queries, 3, [plain, rotated]) as [Tensor, Tensor];
  const [latent, shared] = split(weights.project(x, "attn_kv_a_mqa", rank + rotated), 2, [rank, rotated]) as [
    Tensor,
    Tensor,
  ];
  const normed = normalise(latent, weights.norm("attn_kv_a_norm", rank));
  const [plainK, values] = expand(normed, weights, heads, sizes);
  const q = concat([rotatedQ, plainQ], 3);
  const k = concat([spread(shared, 2, heads), plainK], 3);
  return reshape(concat([q, k, widened(values, k, sizes)], 2), [...rows, 3 * heads * size]);
}

function queriesOf(x: Tensor, weights: LatentWeights, outputs: number, { queryRank }: LatentSizes): Tensor {
  if (queryRank === undefined) return weights.project(x, "attn_q", outputs);
  const latent = normalise(weights.project(x, "attn_q_a", queryRank), weights.norm("attn_q_a_norm", queryRank));
  return weights.project(latent, "attn_q_b", outputs);
}

/** The unrotated part of keys, and the values, by head: [batch, tokens, heads, size]. */
function expand(latent: Tensor, weights: LatentWeights, heads: number, { plain, value }: LatentSizes) {
  const apart = (x: Tensor, size: number) => reshape(x, [...latent.shape.slice(0, 2), heads, size]);
  const own = (name: string, size: number) => apart(weights.projectHeads(latent, name, heads, size), size);
  if (weights.byHead) return [own("attn_k_b", plain), own("attn_v_b", value)] as const;
  const both = weights.project(latent, "attn_kv_b", heads * (plain + value));
  return split(apart(both, plain + value), 3, [plain, value]) as [Tensor, Tensor];
}

/** Values [batch, tokens, heads, value] with zeros appended, in the shape of keys. */
function widened(values: Tensor, keys: Tensor, { plain, rotated, value }: LatentSizes): Tensor {
  const rest = plain + rotated - value;
  if (rest === 0) return values;
  return concat([values, split(full(keys, 0), 3, [rest, value])[0]!], 3);
}

/** Attention's result [batch, tokens, heads·(plain + rotated)] without the padding: [batch, tokens, heads·value]. */
export function latentValues(attended: Tensor, heads: number, { plain, rotated, value }: LatentSizes): Tensor {
  const rest = plain + rotated - value;
  if (rest === 0) return attended;
  const rows = attended.shape.slice(0, 2);
  const apart = reshape(attended, [...rows, heads, plain + rotated]);
  return reshape(split(apart, 3, [value, rest])[0]!, [...rows, heads * value]);
}
