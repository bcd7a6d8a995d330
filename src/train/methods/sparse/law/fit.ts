import { UserError } from "../../../../util/errors.ts";
import { type Minimum, minimise, type Objective } from "./minimise.ts";

/** A run as a point for fitting the law. */
export interface Point {
  /** The number of parameters, averaged over the steps. */
  readonly parameters: number;
  /** Tokens of all steps. */
  readonly tokens: number;
  /** Held-out loss in nats per token. */
  readonly loss: number;
}

/** loss = E + A / parameters^alpha + B / tokens^beta (arXiv 2203.15556; for average parameters, arXiv 2501.12486). */
export interface Law {
  readonly E: number;
  readonly A: number;
  readonly B: number;
  readonly alpha: number;
  readonly beta: number;
}

export interface FittedLaw extends Law {
  /** The minimised sum of Huber losses. */
  readonly objective: number;
}

export const predictLoss = ({ E, A, B, alpha, beta }: Law, { parameters, tokens }: Omit<Point, "loss">): number =>
  E + A / parameters ** alpha + B / tokens ** beta;

/** The initial log A, log B, log E, alpha and beta of a fit. */
type Start = readonly [a: number, b: number, e: number, alpha: number, beta: number];

export interface FitOptions {
  /** The residual of the log loss above which the Huber loss is linear. */
  readonly delta?: number;
  /** Starting points of fits; the best fit is kept. Default: the best points of the grid of arXiv 2203.15556. */
  readonly starts?: readonly Start[];
}

const DELTA = 1e-3;

/** The minimum number of points for fitting five coefficients. */
const LEAST_POINTS = 6;

/**
 * Fits a scaling law by minimising the summed Huber loss on log losses (arXiv 2203.15556, approach 3; a mean would stop
 * L-BFGS early, arXiv 2404.10102). @throws UserError for fewer than six points, for numbers that are not positive, or
 * if no finite coefficients fit the runs
 */
export function fitScalingLaw(points: readonly Point[], { delta = DELTA, starts }: FitOptions = {}): FittedLaw {
  check(points);
  const objective = objectiveOf(points, delta);
  const fits = (starts ?? promising(objective)).map((start) => lawOf(minimise(objective, start)));
  // Overflowing coefficients mean that the data cannot separate the terms.
  const finite = fits.filter((fit) => Object.values(fit).every(Number.isFinite) && fit.A > 0 && fit.B > 0);
  const [first, ...rest] = finite;
  if (!first) throw new UserError("a scaling law: no coefficients fit these runs; give more sizes and durations");
  return rest.reduce((best, fit) => (fit.objective < best.objective ? fit : best), first);
}

function lawOf({ x, value }: Minimum): FittedLaw {
  const [a, b, e, alpha, beta] = x as unknown as Start;
  return { E: Math.exp(e), A: Math.exp(a), B: Math.exp(b), alpha, beta, objective: value };
}

/** The logarithm of a loss floor that is practically 0. */
const NO_FLOOR = -10;

/** The starting values from a known law, for another fit to nearly the same points. */
export const startAt = ({ E, A, B, alpha, beta }: Law): Start => [
  ...([Math.log(A), Math.log(B), Math.max(NO_FLOOR, Math.log(E)), alpha, beta] as const),
];

function check(points: readonly Point[]): void {
  if (points.length < LEAST_POINTS)
    throw new UserError(`a scaling law: expected at least ${LEAST_POINTS} runs, got ${points.length}`);
  for (const point of points)
    for (const [name, value] of Object.entries(point))
      if (!(value > 0 && Number.isFinite(value)))
        throw new UserError(`a scaling law: ${name}: expected a number above 0, got ${value}`);
}

const GRID = {
  power: [0, 5, 10, 15, 20, 25],
  floor: [-1, -0.5, 0, 0.5, 1],
  exponent: [0, 0.5, 1, 1.5, 2],
};

/** The number of the grid's best starts that are refined. */
const REFINED = 30;

function promising(objective: Objective): Start[] {
  const { power, floor, exponent } = GRID;
  const starts = power.flatMap((a) =>
    power.flatMap((b) =>
      floor.flatMap((e) => exponent.flatMap((alpha) => exponent.map((beta): Start => [a, b, e, alpha, beta]))),
    ),
  );
  const valued = starts.map((start) => ({ start, value: objective(start).value }));
  return valued
    .sort((one, other) => one.value - other.value)
    .slice(0, REFINED)
    .map(({ start }) => start);
}

/** The Huber loss between the logs of the predicted and the actual loss, summed over the points. */
export function objectiveOf(points: readonly Point[], delta: number): Objective {
  const logs = points.map(({ parameters, tokens, loss }) => [Math.log(parameters), Math.log(tokens), Math.log(loss)]);
  return ([a, b, e, alpha, beta]) => {
    let value = 0;
    const gradient = [0, 0, 0, 0, 0];
    for (const [n, d, loss] of logs as [number, number, number][]) {
      const [sizes, data, floor] = [a! - alpha! * n, b! - beta! * d, e!];
      const top = Math.max(sizes, data, floor);
      const [p, q, r] = [Math.exp(sizes - top), Math.exp(data - top), Math.exp(floor - top)];
      const residual = top + Math.log(p + q + r) - loss;
      const beyond = Math.abs(residual) > delta;
      value += beyond ? delta * (Math.abs(residual) - delta / 2) : residual ** 2 / 2;
      const slope = (beyond ? delta * Math.sign(residual) : residual) / (p + q + r);
      gradient[0]! += slope * p;
      gradient[1]! += slope * q;
      gradient[2]! += slope * r;
      gradient[3]! -= slope * p * n;
      gradient[4]! -= slope * q * d;
    }
    return { value, gradient };
  };
}
