/** A vector of a state's length. */
export type Vector = Float64Array<ArrayBuffer>;

/** A map of a state to the next; it may depend on the step's number. */
export interface StateMap {
  next(state: Vector, step: number): Vector;
  /** The map's Jacobian at `state` times a vector. */
  push(state: Vector, vector: Vector, step: number): Vector;
}

export interface BenettinOptions {
  readonly steps: number;
  /** Steps to skip first. Default 0. */
  readonly transient?: number;
}

/**
 * The greatest exponents of a map, one for each of the orthonormal `directions`: each step applies the Jacobian and
 * orthonormalises the result; exponents are the mean logarithms of R's diagonal (Benettin et al. 1980). For a diagonal
 * Jacobian, unit vectors are exact; random ones are biased until steps · gap ≫ 1.
 */
export function benettin(
  map: StateMap,
  start: Vector,
  directions: readonly Vector[],
  { steps, transient = 0 }: BenettinOptions,
): number[] {
  let [state, basis] = [start, directions];
  const sums = new Float64Array(directions.length);
  for (let step = 0; step < transient + steps; step++) {
    const moved = basis.map((vector) => map.push(state, vector, step));
    state = map.next(state, step);
    const { lengths, vectors } = orthonormal(moved);
    basis = vectors;
    if (step >= transient) for (const [i, length] of lengths.entries()) sums[i]! += Math.log(length);
  }
  return [...sums].map((sum) => sum / steps);
}

/** Modified Gram–Schmidt: R's diagonal, and Q's columns. */
function orthonormal(vectors: readonly Vector[]): { lengths: number[]; vectors: Vector[] } {
  const [lengths, done]: [number[], Vector[]] = [[], []];
  for (const vector of vectors) {
    const rest = vector.slice();
    for (const q of done) subtract(rest, q, dot(rest, q));
    const length = Math.sqrt(dot(rest, rest));
    lengths.push(length);
    done.push(rest.map((value) => value / length));
  }
  return { lengths, vectors: done };
}

function subtract(from: Vector, vector: Vector, times: number): void {
  for (let i = 0; i < from.length; i++) from[i]! -= times * vector[i]!;
}

function dot(a: Vector, b: Vector): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

export function unitVector(size: number, element: number): Vector {
  const vector = new Float64Array(size);
  vector[element] = 1;
  return vector;
}
