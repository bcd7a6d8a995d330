let table: Uint32Array<ArrayBuffer> | undefined;

/** The float32 bits of all 65,536 halves, computed on first use; bits, unlike floats, preserve NaN payloads. */
export function halfBits(): Uint32Array<ArrayBuffer> {
  table ??= Uint32Array.from({ length: 65_536 }, (_, half) => floatBits(half));
  return table;
}

/** The 65,536 halves as float32 values. */
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
  // Denormal: shifts the leading one to the bit that float32 implies.
  const shift = Math.clz32(fraction) - 21;
  return sign | ((113 - shift) << 23) | (((fraction << shift) & 1023) << 13);
}

const LARGEST = 65_504;
const single = new Float32Array(1);
const bitsOfSingle = new Uint32Array(single.buffer);

/** Rounds to the nearest float16, ties to even; larger numbers become the largest one, and NaN stays NaN. */
export function toHalf(value: number): number {
  single[0] = Math.min(LARGEST, Math.max(-LARGEST, value));
  const bits = bitsOfSingle[0]!;
  const sign = (bits >>> 16) & 0x8000;
  const exponent = ((bits >>> 23) & 255) - 112;
  const fraction = bits & 0x7fffff;
  if (exponent === 143) return sign | 0x7e00;
  if (exponent > 0) return sign | rounded((exponent << 23) | fraction, 13);
  if (exponent < -10) return sign;
  return sign | rounded(0x800000 | fraction, 14 - exponent);
}

/** Drops the last `drop` bits, rounding to nearest, ties to even; a carry increments the exponent. */
function rounded(bits: number, drop: number): number {
  const retained = bits >>> drop;
  const rest = bits - retained * 2 ** drop;
  const half = 2 ** (drop - 1);
  return rest > half || (rest === half && (retained & 1) === 1) ? retained + 1 : retained;
}

/** Converts numbers to halves. */
export function toHalves(values: Float32Array): Uint16Array<ArrayBuffer> {
  const halves = new Uint16Array(values.length);
  for (let i = 0; i < values.length; i++) halves[i] = toHalf(values[i]!);
  return halves;
}

/** Converts float32 numbers to their upper halves, rounding to nearest, ties to even; NaN stays NaN. */
export function toBrainFloats(values: Float32Array): Uint16Array<ArrayBuffer> {
  const bits = new Uint32Array(values.buffer, values.byteOffset, values.length);
  const halves = new Uint16Array(bits.length);
  for (let i = 0; i < bits.length; i++) halves[i] = toBrainFloat(bits[i]!);
  return halves;
}

function toBrainFloat(bits: number): number {
  if ((bits & 0x7fffffff) > 0x7f800000) return (bits >>> 16) | 64;
  return (bits + 0x7fff + ((bits >>> 16) & 1)) >>> 16;
}
