/** A function's value and gradient. */
interface Evaluation {
  readonly value: number;
  readonly gradient: readonly number[];
}

export type Objective = (x: readonly number[]) => Evaluation;

export interface Minimum extends Evaluation {
  readonly x: readonly number[];
}

/** The number of steps that the curvature approximation remembers. */
const MEMORY = 10;
const ITERATIONS = 2000;
/** The largest relative decrease that could be due to rounding. */
const ROUNDING = 1e-13;

/** Constants of Wolfe's conditions: sufficient decrease and curvature (Nocedal & Wright 2006, section 3.1). */
const [DECREASE, CURVATURE] = [1e-4, 0.9];
const BISECTIONS = 60;

type Vector = readonly number[];
const dot = (a: Vector, b: Vector): number => a.reduce((sum, value, i) => sum + value * b[i]!, 0);
const along = (a: Vector, factor: number, b: Vector): number[] => a.map((value, i) => value + factor * b[i]!);

interface Change {
  readonly x: Vector;
  readonly gradient: Vector;
}

/**
 * Finds a minimum near `start` by L-BFGS (Nocedal & Wright 2006, algorithm 7.5). Stops once a step's gain could be due
 * to rounding: a good fit's values are tiny, so no absolute tolerance suits all fits.
 */
export function minimise(objective: Objective, start: Vector): Minimum {
  let at: Minimum = { x: start, ...objective(start) };
  const changes: Change[] = [];
  for (let i = 0; i < ITERATIONS; i++) {
    const next = stepFrom(at, directionOf(at.gradient, changes), objective) ?? retried(at, changes, objective);
    if (!next) return at;
    const change = { x: along(next.x, -1, at.x), gradient: along(next.gradient, -1, at.gradient) };
    if (dot(change.x, change.gradient) > 0) changes.push(change);
    if (changes.length > MEMORY) changes.shift();
    const stalled = at.value - next.value <= ROUNDING * at.value;
    at = next;
    if (stalled) return at;
  }
  return at;
}

/** Tries steepest descent after the approximated curvature yielded no descent. */
function retried(at: Minimum, changes: Change[], objective: Objective): Minimum | undefined {
  if (changes.length === 0) return undefined;
  changes.length = 0;
  return stepFrom(at, directionOf(at.gradient, changes), objective);
}

/** The two-loop recursion. */
function directionOf(gradient: Vector, changes: readonly Change[]): number[] {
  let direction = gradient.map((value) => -value);
  const shares = changes.toReversed().map((change) => {
    const share = dot(change.x, direction) / dot(change.x, change.gradient);
    direction = along(direction, -share, change.gradient);
    return share;
  });
  const last = changes.at(-1);
  const scale = last
    ? dot(last.x, last.gradient) / dot(last.gradient, last.gradient)
    : 1 / Math.max(1, Math.sqrt(dot(gradient, gradient)));
  direction = direction.map((value) => scale * value);
  for (const [i, change] of changes.entries()) {
    const back = dot(change.gradient, direction) / dot(change.x, change.gradient);
    direction = along(direction, shares[changes.length - 1 - i]! - back, change.x);
  }
  return direction;
}

/** Finds a step that satisfies Wolfe's conditions, by bisection; undefined if no step lowers the value. */
function stepFrom(at: Minimum, direction: Vector, objective: Objective): Minimum | undefined {
  const slope = dot(at.gradient, direction);
  if (!(slope < 0)) return undefined;
  let [low, high, length] = [0, Number.POSITIVE_INFINITY, 1];
  let best: Minimum | undefined;
  for (let i = 0; i < BISECTIONS; i++) {
    const x = along(at.x, length, direction);
    const here = { x, ...objective(x) };
    if (here.value < (best ?? at).value) best = here;
    if (!(here.value <= at.value + DECREASE * length * slope)) high = length;
    else if (dot(here.gradient, direction) < CURVATURE * slope) low = length;
    else return here.value < at.value ? here : best;
    length = Number.isFinite(high) ? (low + high) / 2 : 2 * length;
  }
  return best;
}
