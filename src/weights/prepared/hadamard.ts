/**
 * The normalised Hadamard matrix of order `size`, a power of two, times each `size` consecutive values. It is symmetric
 * and orthogonal: twice gives the values again.
 */
export function rotated(values: Float32Array, size: number): Float32Array<ArrayBuffer> {
  const result = Float32Array.from(values, (v) => v / Math.sqrt(size));
  for (let half = 1; half < size; half *= 2)
    for (let from = 0; from < result.length; from += 2 * half)
      for (let i = from; i < from + half; i++) {
        const [a, b] = [result[i]!, result[i + half]!];
        result[i] = a + b;
        result[i + half] = a - b;
      }
  return result;
}
