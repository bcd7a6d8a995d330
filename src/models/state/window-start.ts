import type { DecoderConfig } from "../decoder/decoder.ts";

/**
 * Layers with a window are bound from a multiple of this number of tokens on: reading some extra keys costs less than
 * binding again for every token.
 */
const STEP = 64;

type Windows = Pick<DecoderConfig, "layers" | "window">;

export const hasWindow = (config: Windows, layer: number): boolean => config.window?.(layer) !== undefined;

/** True if any layer has a window. */
export const hasWindows = (config: Windows): boolean => Number.isFinite(reach(config));

/** The widest window of each configuration, computed once. */
const reaches = new WeakMap<Windows, number>();

/** The number of keys in the model's widest window; infinite without windows. */
function reach(config: Windows): number {
  const known = reaches.get(config) ?? widest(config);
  reaches.set(config, known);
  return known;
}

function widest(config: Windows): number {
  const windows = Array.from({ length: config.layers }, (_, l) => config.window?.(l)).filter((w) => w !== undefined);
  return windows.length === 0 ? Number.POSITIVE_INFINITY : Math.max(...windows);
}

/**
 * The first of `past` cached tokens that later queries can see through a window, rounded down. Layers with a window are
 * bound to the cache from that token on. 0 if no layer has a window.
 */
export function windowStart(config: Windows, past: number): number {
  const first = past + 1 - reach(config);
  return Math.max(0, STEP * Math.floor(first / STEP));
}

/** The cost symbols for the tokens cached before a run: all tokens, and the tokens bound to layers with a window. */
export const pastSizes = (config: Windows, past: number) => ({ past, windowPast: past - windowStart(config, past) });
