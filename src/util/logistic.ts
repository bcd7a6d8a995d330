/**
 * Multinomial logistic regression with L2, in float64. `logits = W·x + b`; the loss is the mean of −log p(class of x)
 * plus l2/2·‖W‖²; biases are not penalised. scikit-learn's C is 1/(rows·l2).
 */
import { z } from "zod";
import { checked } from "./checked.ts";
import { cholesky, solveCholesky } from "./cholesky.ts";
import { UserError } from "./errors.ts";
import { minimise, type Objective } from "./lbfgs.ts";

/** The options of a fit. */
const logisticOptions = z.strictObject({
  l2: z.number().positive().default(1e-3).describe("weight of the L2 penalty, half the sum of squared weights"),
  iterations: z.int().min(1).default(200).describe("maximum number of iterations of the solver"),
  tolerance: z.number().positive().default(1e-4).describe("end when no component of the gradient exceeds this"),
});
export type LogisticOptions = z.input<typeof logisticOptions>;

/** A linear classifier. */
export interface Logistic {
  readonly classes: number;
  /** The number of features in a row. */
  readonly width: number;
  /** [classes, width] */
  readonly weights: Float64Array;
  /** [classes] */
  readonly bias: Float64Array;
}

/** A classifier, with its loss and how the solver ended. */
export interface LogisticFit extends Logistic {
  /** The loss with the L2 term. */
  readonly loss: number;
  readonly iterations: number;
  /** False if the solver ran out of iterations. */
  readonly converged: boolean;
}

/** The features of one input. */
export type Features = ArrayLike<number>;

/**
 * The classifier with the lowest loss; classes are 0 … the largest of `labels`. The same rows give the same bits; their
 * order changes the result only by rounding. Its logits have mean 0 over the classes: the loss ignores a common
 * shift, and the solver keeps it at 0. `from` is a fit to start from, such as one with a different l2: the result is
 * the same up to the tolerance, after fewer iterations.
 * @throws UserError if rows differ in length or contain a number that is not finite, or if there are fewer than two
 * classes
 */
export function fitLogistic(
  rows: readonly Features[],
  labels: ArrayLike<number>,
  options: LogisticOptions = {},
  from?: Logistic,
): LogisticFit {
  const { l2, ...ends } = checked(logisticOptions, options);
  const data = checkedData(rows, labels);
  const { classes, width } = data;
  const start = startAt(from, classes, width);
  const minimum = minimise(logisticLoss(data, l2), start, { ...ends, precondition: preconditioner(data, l2) });
  const { value: loss, iterations, converged } = minimum;
  const [weights, bias] = [minimum.x.slice(0, classes * width), minimum.x.slice(classes * width)];
  return { classes, width, weights, bias, loss, iterations, converged };
}

function startAt(from: Logistic | undefined, classes: number, width: number): Float64Array {
  if (!from) return new Float64Array(classes * (width + 1));
  if (from.classes !== classes || from.width !== width)
    throw new Error(`fitLogistic: "from" is [${from.classes}, ${from.width}], expected [${classes}, ${width}]`);
  const start = new Float64Array(classes * (width + 1));
  start.set(from.weights);
  start.set(from.bias, from.weights.length);
  return start;
}

/** Logits [classes] of a row. */
export function logitsOf({ classes, width, weights, bias }: Logistic, row: Features): Float64Array {
  const logits = bias.slice();
  for (let c = 0; c < classes; c++) for (let i = 0; i < width; i++) logits[c]! += weights[c * width + i]! * row[i]!;
  return logits;
}

/** Checked rows, concatenated. */
export interface LogisticData {
  readonly count: number;
  readonly width: number;
  readonly classes: number;
  /** [count, width] */
  readonly values: Float64Array;
  /** [count] */
  readonly labels: Uint32Array;
}

/** Rows and their classes in the solver's format. @throws UserError as `fitLogistic` does */
export function checkedData(rows: readonly Features[], labels: ArrayLike<number>): LogisticData {
  const count = rows.length;
  if (count !== labels.length)
    throw new UserError(`there are ${count} rows and ${labels.length} labels, expected equal numbers`);
  const width = rows[0]?.length ?? 0;
  if (width === 0) throw new UserError("there is no data, expected rows with at least one number");
  const values = new Float64Array(count * width);
  for (const [i, row] of rows.entries()) {
    if (row.length !== width)
      throw new UserError(`row ${i + 1} has ${row.length} numbers, expected ${width} as in row 1`);
    for (let k = 0; k < width; k++) values[i * width + k] = finite(row[k]!, i);
  }
  return { count, width, values, ...checkedLabels(labels) };
}

function finite(value: number, row: number): number {
  if (Number.isFinite(value)) return value;
  throw new UserError(`row ${row + 1} holds ${value}, expected finite numbers`);
}

function checkedLabels(labels: ArrayLike<number>): Pick<LogisticData, "classes" | "labels"> {
  const classes = new Set<number>();
  for (let i = 0; i < labels.length; i++) {
    const label = labels[i]!;
    if (!Number.isInteger(label) || label < 0 || label >= 2 ** 16)
      throw new UserError(`row ${i + 1} has the class ${label}, expected a whole number from 0 to 65535`);
    classes.add(label);
  }
  if (classes.size < 2) throw new UserError("all rows have the same class, expected at least two classes");
  return { classes: Math.max(...classes) + 1, labels: Uint32Array.from(labels) };
}

/** The loss as a function of weights [classes, width], then biases [classes]. */
export function logisticLoss(data: LogisticData, l2: number): Objective {
  const { count, width, classes, values, labels } = data;
  const scores = new Float64Array(ROWS_AT_ONCE * classes);
  return (x, gradient) => {
    gradient.fill(0);
    let loss = 0;
    for (let row = 0; row < count; row += ROWS_AT_ONCE) {
      const rows = Math.min(ROWS_AT_ONCE, count - row);
      const starts = startsOf(row, rows, width);
      multiply(values, starts, x, width, classes, scores);
      for (let r = 0; r < rows; r++) loss += toResidual(scores, r * classes, classes, labels[row + r]!);
      scores.fill(0, rows * classes);
      accumulate(values, starts, scores, width, classes, gradient);
    }
    const weights = classes * width;
    for (let i = 0; i < x.length; i++) gradient[i]! /= count;
    let squares = 0;
    for (let i = 0; i < weights; i++) {
      squares += x[i]! * x[i]!;
      gradient[i]! += l2 * x[i]!;
    }
    return loss / count + (l2 / 2) * squares;
  };
}

/** The number of rows multiplied at once: 4 rows by 2 classes fill a processor's registers. */
const ROWS_AT_ONCE = 4;

/** The offsets of four rows in `values`; the last row is repeated for missing ones. */
function startsOf(row: number, rows: number, width: number): Starts {
  const start = (r: number) => (row + Math.min(r, rows - 1)) * width;
  return [start(0), start(1), start(2), start(3)];
}

/** Turns logits at `at` into probabilities, minus 1 at the row's class; returns −log p of that class. */
function toResidual(scores: Float64Array, at: number, classes: number, label: number): number {
  let most = Number.NEGATIVE_INFINITY;
  for (let c = 0; c < classes; c++) most = Math.max(most, scores[at + c]!);
  const own = scores[at + label]! - most;
  let sum = 0;
  for (let c = 0; c < classes; c++) {
    const e = Math.exp(scores[at + c]! - most);
    scores[at + c] = e;
    sum += e;
  }
  for (let c = 0; c < classes; c++) scores[at + c]! /= sum;
  scores[at + label]! -= 1;
  return Math.log(sum) - own;
}

type Starts = readonly [number, number, number, number];

/**
 * Logits [4, classes] of the rows that begin at `starts`. Unrolled by hand, two classes at a time, because a general
 * product is four times slower.
 */
function multiply(
  values: Float64Array,
  [v0, v1, v2, v3]: Starts,
  x: Float64Array,
  width: number,
  classes: number,
  scores: Float64Array,
): void {
  const biases = classes * width;
  for (let c = 0; c < classes; c += 2) {
    // An odd last class is computed twice.
    const d = Math.min(c + 1, classes - 1);
    const [wc, wd] = [c * width, d * width];
    const [bc, bd] = [x[biases + c]!, x[biases + d]!];
    let c0 = bc;
    let c1 = bc;
    let c2 = bc;
    let c3 = bc;
    let d0 = bd;
    let d1 = bd;
    let d2 = bd;
    let d3 = bd;
    for (let k = 0; k < width; k++) {
      const p = x[wc + k]!;
      const q = x[wd + k]!;
      const a0 = values[v0 + k]!;
      const a1 = values[v1 + k]!;
      const a2 = values[v2 + k]!;
      const a3 = values[v3 + k]!;
      c0 += a0 * p;
      c1 += a1 * p;
      c2 += a2 * p;
      c3 += a3 * p;
      d0 += a0 * q;
      d1 += a1 * q;
      d2 += a2 * q;
      d3 += a3 * q;
    }
    scores[c] = c0;
    scores[classes + c] = c1;
    scores[2 * classes + c] = c2;
    scores[3 * classes + c] = c3;
    scores[d] = d0;
    scores[classes + d] = d1;
    scores[2 * classes + d] = d2;
    scores[3 * classes + d] = d3;
  }
}

/** Adds residualsᵀ·rows to the gradient; residuals [4, classes] are 0 for missing rows. */
function accumulate(
  values: Float64Array,
  [v0, v1, v2, v3]: Starts,
  residuals: Float64Array,
  width: number,
  classes: number,
  gradient: Float64Array,
): void {
  const biases = classes * width;
  for (let c = 0; c < classes; c++) {
    const r0 = residuals[c]!;
    const r1 = residuals[classes + c]!;
    const r2 = residuals[2 * classes + c]!;
    const r3 = residuals[3 * classes + c]!;
    const g = c * width;
    for (let k = 0; k < width; k++)
      gradient[g + k]! += r0 * values[v0 + k]! + r1 * values[v1 + k]! + r2 * values[v2 + k]! + r3 * values[v3 + k]!;
    gradient[biases + c]! += r0 + r1 + r2 + r3;
  }
}

/**
 * Multiplies by the inverse of the Hessian at equal class probabilities, (p − p²)·XᵀX/rows + l2, with the constant 1 as
 * the last feature of every row. Correlated features, as in embeddings, then take no more iterations than independent
 * ones.
 */
function preconditioner(data: LogisticData, l2: number): (gradient: Float64Array) => void {
  const { width, classes } = data;
  const n = width + 1;
  const p = 1 / classes;
  const hessian = moments(data).map((v) => (p - p * p) * v);
  // Biases are not penalised, and features may be linearly dependent: a slightly larger diagonal keeps the matrix
  // positive definite despite rounding.
  for (let i = 0; i < n; i++) hessian[i * n + i] = 1.0000000001 * hessian[i * n + i]! + (i < width ? l2 : 0);
  const l = cholesky(hessian, n);
  const of = new Float64Array(n);
  return (gradient) => {
    for (let c = 0; c < classes; c++) {
      of.set(gradient.subarray(c * width, (c + 1) * width));
      of[width] = gradient[classes * width + c]!;
      solveCholesky(l, n, of);
      gradient.set(of.subarray(0, width), c * width);
      gradient[classes * width + c] = of[width]!;
    }
  };
}

/** XᵀX/rows [width + 1, width + 1], with the constant 1 as the last feature. */
function moments({ count, width, values }: LogisticData): Float64Array {
  const n = width + 1;
  const sums = new Float64Array(n * n);
  for (let row = 0; row < count; row++) {
    const at = row * width;
    for (let i = 0; i < width; i++) {
      const v = values[at + i]!;
      for (let k = 0; k <= i; k++) sums[i * n + k]! += v * values[at + k]!;
      sums[width * n + i]! += v;
    }
  }
  sums[n * n - 1] = count;
  for (let i = 0; i < n; i++) for (let k = 0; k <= i; k++) sums[k * n + i] = sums[i * n + k]!;
  return sums.map((v) => v / count);
}
