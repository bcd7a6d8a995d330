/** A decoder with visual tokens, as YOPO counts it. */
export interface VisualSizes {
  readonly tokens: number;
  readonly hidden: number;
  readonly intermediate: number;
}

/** Reductions of visual computation. */
export interface VisualCuts {
  /** Visual keys that a visual token sees; all without a cut. */
  readonly neighbours: number;
  /** Share of the heads that visual tokens use, in each of the layers that they run. */
  readonly heads: readonly number[];
  /** Share of the neurons. */
  readonly ffn: number;
}

/**
 * FLOPs on visual tokens alone, a multiply-add counting as two, as YOPO (arXiv 2410.06169) counts them: in each layer that they run,
 * 8·n·d²·ρ + 4·n·neighbours·d·ρ + 6·n·d·m·ffn, where ρ is the share of heads.
 */
export function visualFlops(
  { tokens, hidden, intermediate }: VisualSizes,
  { neighbours, heads, ffn }: VisualCuts,
): number {
  const attention = 8 * tokens * hidden ** 2 + 4 * tokens * neighbours * hidden;
  return heads.reduce((sum, share) => sum + share * attention + 6 * tokens * hidden * intermediate * ffn, 0);
}
