import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { normals } from "../../../src/util/normals.ts";
import { seededRandom } from "../../../src/util/random.ts";
import { Tower } from "../../regionspot/published/tower.ts";

/** Drawings whose features set the scale of the projector's inputs. */
const SCALED_BY = 40;
/** The penalty of the least squares, as a share of the data's: of 0.01 to 1 the best for a tenth of the drawings. */
const PENALTY = 1;

/** A projector's two layers, matrices row-major [outputs, inputs]. */
export interface Projector {
  readonly first: Float32Array;
  readonly firstBias: Float32Array;
  readonly second: Float32Array;
  readonly secondBias: Float32Array;
}

/** A drawing, and the mean row of its caption's tokens. */
export interface Named {
  readonly image: string;
  readonly row: Float32Array;
}

const gelu = (x: number): number => x * 0.5 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)));

/**
 * A projector to begin with: its first layer is random over centred features of deviation 1, its second the least
 * squares' from a drawing's mean to its caption's. Outputs vary as much as token rows (`size`). Means are kept in `cache`.
 */
export async function fitted(
  drawings: readonly Named[],
  side: number,
  size: number,
  cache: string,
): Promise<Projector> {
  using tower = await Tower.open("dinov2-small", side, false);
  const [from, to] = [tower.hidden, drawings[0]!.row.length];
  const { mean, deviation } = await scaleOf(tower, drawings);
  const normal = normals(seededRandom(0));
  const first = Float32Array.from({ length: to * from }, (_, i) => normal() / Math.sqrt(from) / deviation[i % from]!);
  const firstBias = Float32Array.from({ length: to }, (_, row) =>
    mean.reduce((sum, x, i) => sum - x * first[row * from + i]!, 0),
  );
  const means = await meansOf(tower, drawings, { first, firstBias }, cache);
  const { matrix, inputs, outputs } = leastSquares(
    means,
    drawings.map(({ row }) => row),
  );
  const predicted = means.map((h) =>
    Float32Array.from(matrix, (line) => line.reduce((sum, w, i) => sum + w * (h[i]! - inputs[i]!), 0)),
  );
  const spread = Math.sqrt(averages(predicted.map((row) => row.map((x) => x * x))).reduce((sum, x) => sum + x / to, 0));
  const second = Float32Array.from(matrix.flatMap((line) => line.map((w) => (w * size) / spread)));
  const secondBias = outputs.map((x, j) => inputs.reduce((sum, h, i) => sum - h * second[j * to + i]!, x));
  return { first, firstBias, second, secondBias };
}

/** The mean and the deviation of each element of DINOv2's stream over patches. */
async function scaleOf(tower: Tower, drawings: readonly Named[]) {
  const [mean, squares] = [new Float64Array(tower.hidden), new Float64Array(tower.hidden)];
  const patches = (tower.tokens - 1) * SCALED_BY;
  for (const { image } of drawings.slice(0, SCALED_BY))
    for (const [at, x] of (await tower.see(image)).subarray(tower.hidden).entries()) {
      mean[at % tower.hidden]! += x / patches;
      squares[at % tower.hidden]! += x ** 2 / patches;
    }
  return { mean, deviation: squares.map((square, i) => Math.sqrt(square - mean[i]! ** 2)) };
}

/** The mean over patches of what the first layer makes of each drawing. */
async function meansOf(
  tower: Tower,
  drawings: readonly Named[],
  { first, firstBias }: Pick<Projector, "first" | "firstBias">,
  cache: string,
): Promise<Float32Array[]> {
  const [from, to, patches] = [tower.hidden, firstBias.length, tower.tokens - 1];
  const done = existsSync(cache);
  const all = done ? new Float32Array(readFileSync(cache).buffer) : new Float32Array(drawings.length * to);
  for (const [n, { image }] of done ? [] : drawings.entries()) {
    const tokens = await tower.see(image);
    const mean = all.subarray(n * to, (n + 1) * to);
    for (let patch = 1; patch <= patches; patch++)
      for (let row = 0; row < to; row++) {
        let sum = firstBias[row]!;
        for (let i = 0; i < from; i++) sum += first[row * from + i]! * tokens[patch * from + i]!;
        mean[row]! += gelu(sum) / patches;
      }
    if (n % 100 === 99) console.error(`${n + 1} of ${drawings.length} drawings seen`);
  }
  writeFileSync(cache, all);
  return drawings.map((_, n) => all.subarray(n * to, (n + 1) * to));
}

const averages = (rows: readonly Float32Array[]) =>
  rows[0]!.map((_, i) => rows.reduce((sum, row) => sum + row[i]!, 0) / rows.length);

/** Ridge regression between the rows of two lists, which are of one length; the matrix is a list of outputs' lines. */
function leastSquares(from: readonly Float32Array[], to: readonly Float32Array[]) {
  const n = from[0]!.length;
  const [inputs, outputs] = [averages(from), averages(to)];
  const varied = averages(from.map((row) => row.map((x, i) => (x - inputs[i]!) ** 2))).reduce(
    (sum, x) => sum + x / n,
    0,
  );
  // [HᵀH + penalty | HᵀY], solved by elimination; it is positive definite.
  const lines = Array.from({ length: n }, (_, i) => {
    const line = new Float64Array(2 * n);
    line[i] = PENALTY * from.length * varied;
    return line;
  });
  for (const [k, row] of from.entries())
    for (const [i, line] of lines.entries()) {
      const x = row[i]! - inputs[i]!;
      for (let j = 0; j < n; j++) {
        line[j]! += x * (row[j]! - inputs[j]!);
        line[n + j]! += x * (to[k]![j]! - outputs[j]!);
      }
    }
  for (const [pivot, own] of lines.entries())
    for (const [i, line] of lines.entries()) {
      const factor = line[pivot]! / own[pivot]!;
      if (i !== pivot) for (let j = pivot; j < 2 * n; j++) line[j]! -= factor * own[j]!;
    }
  const matrix = lines.map((_, j) => lines.map((line, i) => line[n + j]! / line[i]!));
  return { matrix, inputs, outputs };
}
