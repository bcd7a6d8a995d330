/** A function of several variables: returns its value at `x`, and writes its gradient into `gradient`. */
export type Objective = (x: Float64Array, gradient: Float64Array) => number;

/** A minimisation's stopping conditions, and how it computes steps. */
export interface MinimiseOptions {
  /** The largest number of iterations. Each takes one gradient, or several if its step is cut. */
  readonly iterations: number;
  /** Stops when no component of the gradient exceeds this. */
  readonly tolerance: number;
  /** The number of remembered pairs of a step and its gradient change. */
  readonly memory?: number;
  /**
   * Multiplies a gradient, in place, by an approximate inverse Hessian, symmetric and positive definite; the result,
   * negated, is a first guess of the step.
   */
  readonly precondition?: (gradient: Float64Array) => void;
}

/** The end point of a minimisation. */
export interface Minimum {
  readonly x: Float64Array;
  readonly value: number;
  readonly iterations: number;
  /** False if the search ran out of iterations. */
  readonly converged: boolean;
}

/** A step, and the change of the gradient over that step. */
interface Pair {
  readonly step: Float64Array;
  readonly change: Float64Array;
  /** The inner product of `step` and `change`, which is positive. */
  readonly curvature: number;
}

/** Armijo's constant: the share of the predicted decrease that suffices. */
const SUFFICIENT = 1e-4;
/** The number of times a step is cut before it counts as zero: float64 could not distinguish a lower value. */
const MOST_CUTS = 50;

/**
 * Minimises a smooth convex function by L-BFGS (Liu & Nocedal 1989), with a line search that cuts steps until they
 * decrease enough. It is deterministic: no random numbers, no clock. `start` does not change.
 */
export function minimise(objective: Objective, start: Float64Array, options: MinimiseOptions): Minimum {
  const { iterations, tolerance, memory = 10 } = options;
  const pairs: Pair[] = [];
  let x = start.slice();
  let gradient = new Float64Array(x.length);
  let value = objective(x, gradient);
  for (let done = 0; ; done++) {
    if (largest(gradient) <= tolerance) return { x, value, iterations: done, converged: true };
    if (done === iterations) return { x, value, iterations: done, converged: false };
    const direction = descent(gradient, pairs, options);
    const first = pairs.length > 0 || options.precondition ? 1 : Math.min(1, 1 / norm(gradient));
    const next = search(objective, { x, value, gradient }, direction, first);
    // Any further decrease would be lost to rounding.
    if (!next) return { x, value, iterations: done, converged: true };
    remember(pairs, memory, difference(next.x, x), difference(next.gradient, gradient));
    ({ x, value, gradient } = next);
  }
}

/** A point with the function's value and gradient. */
interface Place {
  readonly x: Float64Array<ArrayBuffer>;
  readonly value: number;
  readonly gradient: Float64Array<ArrayBuffer>;
}

/** The first point along a direction that decreases enough; undefined if there is none. */
function search(objective: Objective, from: Place, direction: Float64Array, first: number): Place | undefined {
  const slope = dot(from.gradient, direction);
  if (!(slope < 0)) return undefined;
  const gradient = new Float64Array(direction.length);
  for (let cuts = 0, length = first; cuts < MOST_CUTS; cuts++) {
    const x = from.x.map((v, i) => v + length * direction[i]!);
    const value = objective(x, gradient);
    if (value <= from.value + SUFFICIENT * length * slope)
      return value < from.value ? { x, value, gradient } : undefined;
    length *= shorter(value - from.value, length * slope);
  }
  return undefined;
}

/** The factor, from 0.1 to 0.5, that shortens a step to the lowest point of the parabola through its ends. */
function shorter(rise: number, promised: number): number {
  const lowest = -promised / (2 * (rise - promised));
  return Number.isFinite(lowest) ? Math.min(0.5, Math.max(0.1, lowest)) : 0.1;
}

function remember(pairs: Pair[], memory: number, step: Float64Array, change: Float64Array): void {
  const curvature = dot(step, change);
  if (!(curvature > 1e-12 * norm(step) * norm(change))) return;
  pairs.push({ step, change, curvature });
  if (pairs.length > memory) pairs.shift();
}

/** Computes the quasi-Newton direction with the two-loop recursion (Nocedal 1980). */
function descent(gradient: Float64Array, pairs: readonly Pair[], { precondition }: MinimiseOptions): Float64Array {
  const q = gradient.map((v) => -v);
  const alphas = new Float64Array(pairs.length);
  for (let i = pairs.length - 1; i >= 0; i--) {
    const { step, change, curvature } = pairs[i]!;
    alphas[i] = dot(step, q) / curvature;
    add(q, change, -alphas[i]!);
  }
  scale(q, pairs.at(-1), precondition);
  for (const [i, { step, change, curvature }] of pairs.entries()) add(q, step, alphas[i]! - dot(change, q) / curvature);
  return q;
}

/** The initial inverse Hessian, scaled by the last pair. */
function scale(q: Float64Array, last: Pair | undefined, precondition: MinimiseOptions["precondition"]): void {
  precondition?.(q);
  if (!last) return;
  const changed = last.change.slice();
  precondition?.(changed);
  const length = last.curvature / dot(last.change, changed);
  for (let i = 0; i < q.length; i++) q[i]! *= length;
}

function dot(a: Float64Array, b: Float64Array): number {
  let sum = 0;
  for (let i = 0; i < a.length; i++) sum += a[i]! * b[i]!;
  return sum;
}

function add(to: Float64Array, v: Float64Array, times: number): void {
  for (let i = 0; i < to.length; i++) to[i]! += times * v[i]!;
}

const norm = (v: Float64Array): number => Math.sqrt(dot(v, v));
const difference = (a: Float64Array, b: Float64Array): Float64Array => a.map((v, i) => v - b[i]!);
const largest = (v: Float64Array): number => v.reduce((most, x) => Math.max(most, Math.abs(x)), 0);
