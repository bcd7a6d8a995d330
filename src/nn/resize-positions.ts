/**
 * A square grid's position table, resized to another size by bicubic interpolation like PyTorch's `interpolate` (a =
 * −3/4, corners not aligned, positions beyond the edge clamped to it): [from², width] → [to², width].
 */
export function resizePositions(
  table: Float32Array,
  from: number,
  to: number,
  width: number,
): Float32Array<ArrayBuffer> {
  const taps = Array.from({ length: to }, (_, place) => tapsOf((place + 0.5) * (from / to) - 0.5, from));
  const result = new Float32Array(to * to * width);
  for (const [y, down] of taps.entries())
    for (const [x, across] of taps.entries()) {
      const row = result.subarray((y * to + x) * width, (y * to + x + 1) * width);
      for (const { at: r, share: high } of down)
        for (const { at: c, share: wide } of across) add(row, table, (r * from + c) * width, high * wide);
    }
  return result;
}

function add(row: Float32Array, table: Float32Array, at: number, share: number): void {
  for (let i = 0; i < row.length; i++) row[i] = row[i]! + share * table[at + i]!;
}

/** The four grid positions nearest to `place`, and their weights. */
function tapsOf(place: number, size: number): { at: number; share: number }[] {
  const first = Math.floor(place) - 1;
  return Array.from({ length: 4 }, (_, i) => ({
    at: Math.min(Math.max(first + i, 0), size - 1),
    share: cubic(Math.abs(place - first - i)),
  }));
}

const A = -0.75;

/** Keys' cubic kernel (1981). */
function cubic(x: number): number {
  if (x <= 1) return ((A + 2) * x - (A + 3)) * x * x + 1;
  return ((x - 5) * x + 8) * x * A - 4 * A;
}
