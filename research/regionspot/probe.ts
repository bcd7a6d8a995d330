import type { RegionFeatures } from "../../src/train/methods/regions/features.ts";
import { cholesky, solveCholesky } from "../../src/util/cholesky.ts";

/** How well a linear map predicts labels and boxes from regions' tokens. */
export interface Probe {
  /** Share of held-out regions whose label it names, and that of the commonest label. */
  readonly label: number;
  readonly commonest: number;
  /** Explained share of the variance of the boxes' edges, on held-out regions. */
  readonly box: number;
}

const RIDGE = 1e-2;

/** Ridge regression from tokens to labels and to boxes, fitted on one set of scenes and judged on another. */
export function probe(training: RegionFeatures, heldOut: RegionFeatures, labels: readonly string[]): Probe {
  const [x, held] = [training, heldOut].map(({ tokens, sizes }) => rowsOf(tokens, sizes.token)) as [
    Float64Array[],
    Float64Array[],
  ];
  const names = (of: RegionFeatures) => of.scenes.flatMap((scene) => scene.labels);
  const oneHot = names(training).map((name) => labels.map((label) => (label === name ? 1 : 0)));
  const edges = (of: RegionFeatures) => of.scenes.flatMap(({ boxes }) => boxes);
  const byLabel = leastSquares(x, oneHot);
  const right = names(heldOut).filter((name, i) => labels[argmax(predict(byLabel, held[i]!))] === name).length;
  const counts = labels.map((label) => names(heldOut).filter((name) => name === label).length);
  const byBox = leastSquares(x, edges(training));
  const wanted = edges(heldOut);
  const mean = [0, 1, 2, 3].map((e) => wanted.reduce((sum, box) => sum + box[e]!, 0) / wanted.length);
  const squares = (f: (i: number, e: number) => number) =>
    wanted.reduce((sum, _, i) => sum + [0, 1, 2, 3].reduce((all, e) => all + f(i, e) ** 2, 0), 0);
  const missed = squares((i, e) => wanted[i]![e]! - predict(byBox, held[i]!)[e]!);
  const box = 1 - missed / squares((i, e) => wanted[i]![e]! - mean[e]!);
  return { label: right / held.length, commonest: Math.max(...counts) / held.length, box };
}

/** Each region's token or other feature, followed by a 1. */
export function rowsOf(tokens: Float32Array, token: number): Float64Array[] {
  return Array.from({ length: tokens.length / token }, (_, r) =>
    Float64Array.of(...tokens.subarray(r * token, (r + 1) * token), 1),
  );
}

/** Weights [outputs][inputs] of least squares, by ridge regression. */
export function leastSquares(x: readonly Float64Array[], y: readonly (readonly number[])[]): Float64Array[] {
  const n = x[0]!.length;
  const gram = new Float64Array(n * n);
  for (const row of x) for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) gram[i * n + j]! += row[i]! * row[j]!;
  for (let i = 0; i < n; i++) gram[i * n + i]! += RIDGE * x.length;
  const lower = cholesky(gram, n);
  return y[0]!.map((_, out) => {
    const b = new Float64Array(n);
    for (const [r, row] of x.entries()) {
      const value = y[r]![out]!;
      if (value !== 0) for (let i = 0; i < n; i++) b[i]! += value * row[i]!;
    }
    solveCholesky(lower, n, b);
    return b;
  });
}

/** The outputs for a row of inputs. */
export const predict = (weights: readonly Float64Array[], row: Float64Array): number[] =>
  weights.map((w) => row.reduce((sum, v, i) => sum + v * w[i]!, 0));

const argmax = (values: readonly number[]): number => values.indexOf(Math.max(...values));
