import { learnThenTest } from "./learn-then-test.ts";

/** Positions of a trial: losses of neighbours depend on each other, those of stretches far less. */
const STRETCH = 32;

/** Probabilities at which tokens may leave, from the strictest to the laxest. */
export const grid: readonly number[] = [
  ...[0.9999, 0.9995, 0.999, 0.998, 0.995, 0.99, 0.985, 0.98, 0.97, 0.96, 0.95, 0.93, 0.9],
  ...Array.from({ length: 18 }, (_, i) => (85 - 5 * i) / 100),
];

/** Exits in the order of their depth, at the same positions. */
export interface ExitsAt {
  /** Layers that have run, ascending. */
  readonly layers: readonly number[];
  /** Layers of the whole model. */
  readonly depth: number;
  /** By exit: the probability that a token may leave. */
  readonly probabilities: readonly ArrayLike<number>[];
  /** By exit: 1 if the exit's choice is not the whole model's. */
  readonly wrong: readonly ArrayLike<number>[];
}

/** The number of the exit that a token takes; −1: none. */
export const exitTaken = ({ probabilities }: ExitsAt, position: number, threshold: number): number =>
  probabilities.findIndex((exit) => exit[position]! >= threshold);

/** Share of differing tokens in each stretch of positions, with a threshold. */
export function lossesAt(exits: ExitsAt, threshold: number): number[] {
  const positions = exits.probabilities[0]!.length;
  return Array.from({ length: Math.floor(positions / STRETCH) }, (_, stretch) => {
    let sum = 0;
    for (let i = stretch * STRETCH; i < (stretch + 1) * STRETCH; i++) {
      const exit = exitTaken(exits, i, threshold);
      if (exit >= 0) sum += exits.wrong[exit]![i]!;
    }
    return sum / STRETCH;
  });
}

/** Layers that a token runs on average, with a threshold. */
export function meanDepth(exits: ExitsAt, threshold: number): number {
  const positions = exits.probabilities[0]!.length;
  let sum = 0;
  for (let i = 0; i < positions; i++) sum += exits.layers[exitTaken(exits, i, threshold)] ?? exits.depth;
  return sum / positions;
}

/**
 * The least threshold for each share of differing tokens, by Learn then Test (CALM's textual consistency, for single
 * tokens of given texts); shares that none keeps are left out. `depth` is measured on other positions.
 */
export const thresholdsFor = (calibration: ExitsAt, test: ExitsAt, deltas: readonly number[], epsilon: number) =>
  deltas.flatMap((delta) => {
    const threshold = learnThenTest(grid, (each) => lossesAt(calibration, each), { delta, epsilon });
    return threshold === undefined ? [] : [{ delta, epsilon, threshold, depth: meanDepth(test, threshold) }];
  });
