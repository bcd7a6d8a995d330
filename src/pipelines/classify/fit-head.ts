import { UserError } from "../../util/errors.ts";
import { type Features, fitLogistic, type Logistic, type LogisticFit, logitsOf } from "../../util/logistic.ts";

/** Rows of features, and each row's label index. */
export interface LabelledRows {
  readonly rows: readonly Features[];
  readonly labels: readonly number[];
}

/** A head, and its results on the held-out rows. */
export interface FittedHead {
  readonly linear: Logistic;
  readonly l2: number;
  /** Mean −log p of the correct label, in nats. */
  readonly loss: number;
}

/** L2 strengths to try, from strong to weak, each about a third of the previous one. */
const L2S = [0.3, 0.1, 0.03, 0.01, 3e-3, 1e-3, 3e-4, 1e-4];

/**
 * Fits a logistic head on standardised features, with the L2 strength that gives the lowest loss on the `held` rows:
 * weaker strengths are tried until the loss rises. The standardisation is folded into the head, which reads plain
 * features.
 * @throws UserError as `fitLogistic` does, and if a held-out label is not in the training rows
 */
export function fitHead(train: LabelledRows, held: LabelledRows): FittedHead {
  const scale = standardOf(train.rows);
  const rows = train.rows.map((row) => standardised(row, scale));
  const classes = new Set(train.labels);
  const unseen = held.labels.find((label) => !classes.has(label));
  if (unseen !== undefined) throw new UserError(`label ${unseen} is in held-out rows, but in no training row`);
  let fit: LogisticFit | undefined;
  let best: FittedHead | undefined;
  for (const l2 of L2S) {
    fit = fitLogistic(rows, train.labels, { l2 }, fit);
    const linear = folded(fit, scale);
    const loss = lossOf(linear, held);
    if (best && loss >= best.loss) break;
    best = { linear, l2, loss };
  }
  return best!;
}

/** Mean and standard deviation of each feature. */
export interface Standard {
  readonly mean: Float64Array;
  readonly deviation: Float64Array;
}

export function standardOf(rows: readonly Features[]): Standard {
  const width = rows[0]?.length ?? 0;
  const mean = new Float64Array(width);
  const deviation = new Float64Array(width);
  for (const row of rows) for (let i = 0; i < width; i++) mean[i]! += row[i]! / rows.length;
  for (const row of rows) for (let i = 0; i < width; i++) deviation[i]! += (row[i]! - mean[i]!) ** 2 / rows.length;
  // A constant feature carries no information; any divisor works.
  return { mean, deviation: deviation.map((v) => Math.sqrt(v) || 1) };
}

export const standardised = (row: Features, { mean, deviation }: Standard): Float64Array =>
  Float64Array.from(row, (v, i) => (v - mean[i]!) / deviation[i]!);

/** w·(x − mean)/deviation + b as a function of x. */
export function folded({ classes, width, weights, bias }: Logistic, { mean, deviation }: Standard): Logistic {
  const own = weights.map((w, at) => w / deviation[at % width]!);
  const shift = (c: number) => mean.reduce((sum, m, i) => sum + own[c * width + i]! * m, 0);
  return { classes, width, weights: own, bias: bias.map((b, c) => b - shift(c)) };
}

/** Mean −log p of the correct label. */
function lossOf(model: Logistic, { rows, labels }: LabelledRows): number {
  const total = rows.reduce((sum, row, i) => {
    const logits = logitsOf(model, row);
    const most = Math.max(...logits);
    const spread = logits.reduce((all, z) => all + Math.exp(z - most), 0);
    return sum + most + Math.log(spread) - logits[labels[i]!]!;
  }, 0);
  return total / rows.length;
}
