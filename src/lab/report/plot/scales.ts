import type { PlotPoint } from "./points.ts";

/** The ends of an axis: the values and a twentieth of their span on either side; `least` if all values are equal. */
function padded(values: readonly number[], least: number): [number, number] {
  const [low, high] = [Math.min(...values), Math.max(...values)];
  const pad = high > low ? (high - low) / 20 : least;
  return [low - pad, high + pad];
}

/** FLOPs saved, in per cent; dense's nothing is always shown. */
export const savedDomain = (points: readonly PlotPoint[]): [number, number] =>
  padded([0, ...points.map((point) => point.flops_saved * 100)], 5);

export interface QualityScale {
  readonly type: "linear" | "log";
  readonly domain: [number, number];
}

/**
 * Qualities with their intervals; on a logarithmic scale if the greatest is more than ten times the least (a perplexity
 * that went astray).
 */
export function qualityScale(points: readonly PlotPoint[]): QualityScale {
  const ends = points.flatMap(({ quality, ci95 }) => [quality, ...ci95]);
  const [low, high] = [Math.min(...ends), Math.max(...ends)];
  if (low >= 1 && high > 10 * low) return { type: "log", domain: [low / 1.2, high * 1.2] };
  return { type: "linear", domain: padded(ends, Math.abs(high) / 20 || 0.05) };
}
