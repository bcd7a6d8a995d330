const rotateLeft = (x: number, k: number): number => (x << k) | (x >>> (32 - k));

/** xoshiro128** 1.1 (Blackman & Vigna 2018): successive unsigned 32-bit integers; `state` (4 words, not all zero) is advanced in place. */
export function xoshiro128(state: Uint32Array): () => number {
  return () => {
    // Read by index, because destructuring a typed array uses its iterator and is seven times slower.
    const [a, b, c, d] = [state[0]!, state[1]!, state[2]!, state[3]!];
    const c1 = c ^ a;
    const d1 = d ^ b;
    state[0] = a ^ d1;
    state[1] = b ^ c1;
    state[2] = c1 ^ (b << 9);
    state[3] = rotateLeft(d1, 11);
    return Math.imul(rotateLeft(Math.imul(b, 5), 7), 9) >>> 0;
  };
}

/** MurmurHash3's 32-bit finaliser: every input bit reaches every output bit. */
function mix(x: number): number {
  const y = Math.imul(x ^ (x >>> 16), 0x85ebca6b);
  const z = Math.imul(y ^ (y >>> 13), 0xc2b2ae35);
  return (z ^ (z >>> 16)) >>> 0;
}

/** Uniform numbers in [0, 1) with 53 random bits, the same for the same `seed` (an integer, |seed| < 2^53) on every machine. */
export function seededRandom(seed: number): () => number {
  // The seed's two words map one to one to the state's first two, each mixed from all bits; the constant keeps the
  // state from being all zero.
  const a = mix((seed >>> 0) + 0x9e3779b9);
  const b = mix(a + Math.floor(seed / 2 ** 32));
  const next = xoshiro128(Uint32Array.of(a, b, mix(a ^ b), 0x9e3779b9));
  return () => ((next() >>> 5) * 2 ** 26 + (next() >>> 6)) / 2 ** 53;
}

/** Puts an array into a random order, in place (Fisher-Yates). */
export function shuffle<T extends { length: number; [index: number]: unknown }>(items: T, random: () => number): T {
  for (let i = items.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [items[i], items[j]] = [items[j], items[i]];
  }
  return items;
}
