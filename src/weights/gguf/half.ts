let table: Uint32Array<ArrayBuffer> | undefined;

/**
 * The float32 bits of each of the 65,536 halves, made on first use. Bits rather than floats, so that NaNs keep theirs.
 */
export function halfBits(): Uint32Array<ArrayBuffer> {
  table ??= Uint32Array.from({ length: 65_536 }, (_, half) => floatBits(half));
  return table;
}

/** The same as float32 values. */
export function halfFloats(): Float32Array<ArrayBuffer> {
  return new Float32Array(halfBits().buffer);
}

/** IEEE 754 binary16 to binary32: sign, 5 bits of exponent (bias 15), 10 of fraction → sign, 8 (bias 127), 23. */
function floatBits(half: number): number {
  const sign = (half & 0x8000) << 16;
  const exponent = (half >> 10) & 31;
  const fraction = half & 1023;
  if (exponent === 31) return sign | 0x7f800000 | (fraction << 13);
  if (exponent !== 0) return sign | ((exponent + 112) << 23) | (fraction << 13);
  if (fraction === 0) return sign;
  // Denormal: shift the leading one up to the place that a float32 implies.
  const shift = Math.clz32(fraction) - 21;
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 1023) << 13);
}
