import { batchesOf } from "./rows.ts";
import type { TrainingStates } from "./training-states.ts";

/** The number of rows of text from which means and deviations are estimated. */
const SAMPLE = 64;

/** The mean and standard deviation of each element of the stream. */
export interface Scaling {
  readonly mean: Float32Array;
  readonly deviation: Float32Array;
}

/** The scaling of the streams after several layers, pooled; `change` is applied to each stream first. */
export function scalingOf(
  { corpus, cache }: TrainingStates,
  layers: readonly number[],
  change: (stream: Float32Array) => void = () => {},
): Scaling {
  const { hidden, block } = cache;
  const [from, to] = corpus.ranges.training;
  const range = [from, Math.min(to, from + SAMPLE)] as const;
  const [sums, squares] = [new Float64Array(hidden), new Float64Array(hidden)];
  const x = new Float32Array(block * hidden);
  let count = 0;
  for (const { at, stream } of batchesOf(cache, layers, { range, size: block }))
    for (const layer of layers) {
      stream(layer, x);
      for (let i = 0; i < at.length; i++) {
        const row = x.subarray(i * hidden, (i + 1) * hidden);
        change(row);
        for (let k = 0; k < hidden; k++) {
          sums[k]! += row[k]!;
          squares[k]! += row[k]! * row[k]!;
        }
      }
      count += at.length;
    }
  const mean = Float32Array.from(sums, (sum) => sum / count);
  const deviation = Float32Array.from(squares, (sum, k) => Math.sqrt(Math.max(1e-12, sum / count - mean[k]! ** 2)));
  return { mean, deviation };
}

/** The root mean square of each element. */
export const sizesOf = ({ mean, deviation }: Scaling): Float32Array =>
  deviation.map((each, k) => Math.hypot(each, mean[k]!));

/** Divides a stream by its root mean square. */
export function normaliseRow(row: Float32Array): void {
  let squares = 0;
  for (const value of row) squares += value * value;
  const factor = 1 / Math.sqrt(squares / row.length + 1e-5);
  for (let k = 0; k < row.length; k++) row[k]! *= factor;
}
