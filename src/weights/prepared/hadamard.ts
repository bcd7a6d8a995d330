/**
 * Multiplies each `size` consecutive values by the normalised Hadamard matrix of order `size`, a power of two. The
 * matrix is symmetric and orthogonal, so applying it twice gives the original values.
 */
export function rotated(values: Float32Array, size: number): Float32Array<ArrayBuffer> {
  const result = new Float32Array(values);
  const norm = Math.sqrt(size);
  for (let i = 0; i < result.length; i++) result[i]! /= norm;
  for (let at = 0; at < result.length; at += size)
    for (let half = 1; half < size; half *= 2)
      for (let from = at; from < at + size; from += 2 * half)
        for (let i = from; i < from + half; i++) {
          const a = result[i]!;
          const b = result[i + half]!;
          result[i] = a + b;
          result[i + half] = a - b;
        }
  return result;
}
