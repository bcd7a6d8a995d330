import { sha256Of } from "../util/hash.ts";

/** The scaling of positions beyond the model's original context. */
export type RopeScaling =
  /** Divides every position (Chen et al. 2023). */
  | { readonly type: "linear"; readonly factor: number }
  /** Llama 3.1: divides the frequencies of pairs with at most `low` rotations per original context; a ramp to `high`. */
  | {
      readonly type: "llama3";
      readonly factor: number;
      readonly low: number;
      readonly high: number;
      readonly original: number;
    }
  /** YaRN (Peng et al. 2023): like llama3, with a ramp linear in the pair's index; `magnitude` scales the tables. */
  | {
      readonly type: "yarn";
      readonly factor: number;
      readonly original: number;
      readonly fast: number;
      readonly slow: number;
      readonly truncate: boolean;
      readonly magnitude: number;
    }
  /** One divisor per pair (GGUF's `rope_freqs`). */
  | { readonly type: "factors"; readonly factors: readonly number[]; readonly magnitude: number }
  /**
   * LongRoPE (Ding et al. 2024): divisors for each pair, `short` for sequences of at most `original` tokens and `long` for
   * all positions of longer ones.
   */
  | {
      readonly type: "long";
      readonly short: readonly number[];
      readonly long: readonly number[];
      readonly original: number;
      readonly magnitude: number;
    };

export interface RopeConfig {
  /** Base of the wavelengths, θ. */
  readonly theta: number;
  /** The number of elements of a head that are rotated. */
  readonly headSize: number;
  readonly positions: number;
  readonly scaling?: RopeScaling | undefined;
}

/** A name that identifies the table. */
export const ropeName = (of: "cos" | "sin", config: RopeConfig): string =>
  `rope.${of}.${sha256Of(JSON.stringify(config)).slice(0, 16)}`;

/** The number of rows, one per position; for LongRoPE, the rows for short sequences come before those for long ones. */
export const ropeRows = ({ positions, scaling }: RopeConfig): number =>
  scaling?.type === "long" ? scaling.original + positions : positions;

/** Cosines or sines of position · frequency (Su et al. 2021): [ropeRows, headSize/2]. */
export function ropeTable(f: (angle: number) => number, config: RopeConfig): Float32Array<ArrayBuffer> {
  const { scaling } = config;
  if (scaling?.type !== "long") return plainTable(f, config);
  const { short, long, original, magnitude } = scaling;
  const part = (factors: readonly number[], positions: number) =>
    plainTable(f, { ...config, positions, scaling: { type: "factors", factors, magnitude } });
  const table = new Float32Array((ropeRows(config) * config.headSize) / 2);
  table.set(part(short, original));
  table.set(part(long, config.positions), (original * config.headSize) / 2);
  return table;
}

function plainTable(f: (angle: number) => number, config: RopeConfig): Float32Array<ArrayBuffer> {
  const frequencies = ropeFrequencies(config).map(Math.fround);
  const half = frequencies.length;
  const magnitude = config.scaling && "magnitude" in config.scaling ? config.scaling.magnitude : 1;
  const table = new Float32Array(config.positions * half);
  for (let p = 0; p < config.positions; p++)
    for (let i = 0; i < half; i++) table[p * half + i] = magnitude * f(Math.fround(p * frequencies[i]!));
  return table;
}

/** The rotation of each pair per position, in radians: θ^(−2i/d), scaled. For LongRoPE, these are for short sequences. */
export function ropeFrequencies({ theta, headSize, scaling }: RopeConfig): number[] {
  const half = headSize / 2;
  const plain = Array.from({ length: half }, (_, i) => theta ** (-i / half));
  switch (scaling?.type) {
    case undefined:
      return plain;
    case "linear":
      return plain.map((f) => f / scaling.factor);
    case "factors":
      return plain.map((f, i) => f / scaling.factors[i]!);
    case "long":
      return plain.map((f, i) => f / scaling.short[i]!);
    case "llama3":
      return plain.map((f) => blend(f, scaling.factor, llama3Kept(f, scaling)));
    case "yarn":
      return plain.map((f, i) => blend(f, scaling.factor, yarnKept(i, theta, headSize, scaling)));
  }
}

/** A blend: `share` of the frequency, the rest divided by the factor. */
const blend = (frequency: number, factor: number, share: number): number =>
  (frequency / factor) * (1 - share) + frequency * share;

const clamp = (x: number): number => Math.min(Math.max(x, 0), 1);

/** 1 for pairs that complete `high` rotations or more within the original context, 0 for `low` or fewer. */
function llama3Kept(frequency: number, { low, high, original }: Extract<RopeScaling, { type: "llama3" }>): number {
  const turns = (original * frequency) / (2 * Math.PI);
  return clamp((turns - low) / (high - low));
}

function yarnKept(pair: number, theta: number, size: number, s: Extract<RopeScaling, { type: "yarn" }>): number {
  /** The pair, as a real number, that completes `turns` rotations within the original context. */
  const pairOf = (turns: number) => (size * Math.log(s.original / (turns * 2 * Math.PI))) / (2 * Math.log(theta));
  const [low, high] = [pairOf(s.fast), pairOf(s.slow)];
  const from = Math.max(s.truncate ? Math.floor(low) : low, 0);
  const to = Math.min(s.truncate ? Math.ceil(high) : high, size - 1);
  return 1 - clamp((pair - from) / (to === from ? 0.001 : to - from));
}
