/** A dense array in float64, row-major, for the operators' references. Integers are exact below 2^53. */
export interface NdArray {
  readonly shape: readonly number[];
  readonly data: Float64Array;
}

export const count = (shape: readonly number[]): number => shape.reduce((a, b) => a * b, 1);

export function ndarray(shape: readonly number[], data?: ArrayLike<number>): NdArray {
  return { shape, data: data === undefined ? new Float64Array(count(shape)) : Float64Array.from(data) };
}

/** A copy with `f` applied to each element. */
export const mapNd = (x: NdArray, f: (value: number, index: number) => number): NdArray => ({
  shape: x.shape,
  data: x.data.map(f),
});

/** Splits the shape at `axis` into (outer, size, inner) for loops over one axis. */
export function around(shape: readonly number[], axis: number): { outer: number; size: number; inner: number } {
  return { outer: count(shape.slice(0, axis)), size: shape[axis]!, inner: count(shape.slice(axis + 1)) };
}
