/** The sizes of a decoder with visual tokens, for YOPO's cost model. */
export interface VisualSizes {
  readonly tokens: number;
  readonly hidden: number;
  readonly intermediate: number;
}

/** Reductions of visual computation. */
export interface VisualCuts {
  /** The number of visual keys that a visual token sees. */
  readonly neighbours: number;
  /** The share of heads that visual tokens use, for each layer that processes them. */
  readonly heads: readonly number[];
  /** The share of neurons that visual tokens use. */
  readonly ffn: number;
}

/**
 * FLOPs on visual tokens only, in YOPO's count (arXiv 2410.06169), two per multiply-add: in each layer that processes
 * them, 8·n·d²·ρ + 4·n·neighbours·d·ρ + 6·n·d·m·ffn, where ρ is the share of heads.
 */
export function visualFlops(
  { tokens, hidden, intermediate }: VisualSizes,
  { neighbours, heads, ffn }: VisualCuts,
): number {
  const attention = 8 * tokens * hidden ** 2 + 4 * tokens * neighbours * hidden;
  return heads.reduce((sum, share) => sum + share * attention + 6 * tokens * hidden * intermediate * ffn, 0);
}
