export interface RopeConfig {
  /** Base of the wavelengths, θ. */
  readonly theta: number;
  readonly headSize: number;
  readonly positions: number;
}

/** Cosines or sines of position · θ^(−2i/d) (Su et al. 2021): [positions, headSize/2]. */
export function ropeTable(
  f: (angle: number) => number,
  { theta, headSize, positions }: RopeConfig,
): Float32Array<ArrayBuffer> {
  const half = headSize / 2;
  const table = new Float32Array(positions * half);
  const frequencies = Array.from({ length: half }, (_, i) => Math.fround(theta ** (-i / half)));
  for (let p = 0; p < positions; p++)
    for (let i = 0; i < half; i++) table[p * half + i] = f(Math.fround(p * frequencies[i]!));
  return table;
}
