import type { Vector } from "./benettin.ts";

export interface TwoTrajectoriesOptions {
  readonly steps: number;
  /** Steps to skip first. Default 0. */
  readonly transient?: number;
  /** The distance at the start of each step. */
  readonly epsilon: number;
}

/** Steps two states with the same input. */
export type StepPair = (a: Vector, b: Vector, step: number) => Promise<readonly [a: Vector, b: Vector]>;

/**
 * The greatest exponent of a map, by two trajectories that start each step `epsilon` apart (Wolf et al. 1985): the mean
 * log growth of their distance. `direction` is the first difference.
 */
export async function twoTrajectories(
  next: StepPair,
  start: Vector,
  direction: Vector,
  { steps, transient = 0, epsilon }: TwoTrajectoriesOptions,
): Promise<number> {
  let a = start;
  let b = apart(a, direction, epsilon);
  let sum = 0;
  for (let step = 0; step < transient + steps; step++) {
    const [x, y] = await next(a, b, step);
    const difference = y.map((value, i) => value - x[i]!);
    const grown = norm(difference) / epsilon;
    if (step >= transient) sum += Math.log(grown);
    // If rounding lost the difference, it starts again.
    [a, b] = [x, apart(x, grown > 0 ? difference : direction, epsilon)];
  }
  return sum / steps;
}

function apart(from: Vector, direction: Vector, epsilon: number): Vector {
  const factor = epsilon / norm(direction);
  return from.map((value, i) => value + factor * direction[i]!);
}

export const norm = (vector: ArrayLike<number>): number => {
  let sum = 0;
  for (let i = 0; i < vector.length; i++) sum += vector[i]! ** 2;
  return Math.sqrt(sum);
};
