/** The decoder sizes needed for FEATHER's FLOP count. */
export interface CountedSizes {
  readonly hidden: number;
  readonly intermediate: number;
}

/** FLOPs of one layer on `n` visual tokens, as FEATHER counts them (arXiv 2412.13180): 4·n·d² + 2·n²·d + 2·n·d·m. */
const layerFlops = (n: number, { hidden, intermediate }: CountedSizes): number =>
  4 * n * hidden ** 2 + 2 * n ** 2 * hidden + 2 * n * hidden * intermediate;

/** The share of FLOPs saved on visual tokens: `n` in every layer of a dense run, `tokensOfLayers` with the saving. */
export function visualFlopsSaved(n: number, tokensOfLayers: readonly number[], sizes: CountedSizes): number {
  const spent = tokensOfLayers.reduce((sum, tokens) => sum + layerFlops(tokens, sizes), 0);
  return 1 - spent / (tokensOfLayers.length * layerFlops(n, sizes));
}
