import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { normals } from "../../../src/util/normals.ts";
import { seededRandom } from "../../../src/util/random.ts";
import { Tower } from "../../regionspot/published/tower.ts";

/** Drawings whose features set the scale of the projector's inputs. */
const SCALED_BY = 40;
/** The share of the drawings that chooses the penalty, and the penalties, by the number of drawings. */
const [ASIDE, PENALTIES] = [0.1, [0.01, 0.03, 0.1, 0.3, 1]];

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

const gelu = (x: number): number =>
  (x * 0.5 * (1 + Math.tanh(Math.sqrt(2 / Math.PI) * (x + 0.044715 * x ** 3)))) as number;

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
  const rows = drawings.map(({ row }) => row);
  const aside = Math.round(ASIDE * rows.length);
  const errors = PENALTIES.map((penalty) => {
    const { error } = leastSquares(means.slice(aside), rows.slice(aside), penalty);
    return error(means.slice(0, aside), rows.slice(0, aside));
  });
  const penalty = PENALTIES[errors.indexOf(Math.min(...errors))]!;
  console.error(`unexplained share of captions' rows by penalty: ${errors.map((e) => e.toFixed(3)).join(" ")}`);
  const { matrix, inputs, outputs, spread } = leastSquares(means, rows, penalty);
  const second = matrix.map((x) => (x * size) / spread);
  const secondBias = outputs.map((x, row) => inputs.reduce((sum, h, i) => sum - h * second[row * to + i]!, x));
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
  const all = existsSync(cache) ? new Float32Array(readFileSync(cache).buffer) : new Float32Array(drawings.length * to);
  for (const [n, { image }] of existsSync(cache) ? [] : drawings.entries()) {
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

/** Ridge regression of rows of equal lengths; `spread`: the deviation of what it says of the inputs. */
function leastSquares(from: readonly Float32Array[], to: readonly Float32Array[], penalty: number) {
  const n = from[0]!.length;
  const [inputs, outputs] = [averages(from), averages(to)];
  // [HᵀH + penalty | HᵀY], solved by elimination; it is positive definite.
  const lines = Array.from({ length: n }, (_, i) => {
    const line = new Float64Array(2 * n);
    line[i] = penalty * from.length;
    return line;
  });
  const scale = Math.sqrt(
    averages(from.map((row) => row.map((x, i) => (x - inputs[i]!) ** 2))).reduce((a, b) => a + b) / n,
  );
  for (const [k, row] of from.entries())
    for (let i = 0; i < n; i++) {
      const x = (row[i]! - inputs[i]!) / scale;
      const line = lines[i]!;
      for (let j = 0; j < n; j++) {
        line[j]! += (x * (row[j]! - inputs[j]!)) / scale;
        line[n + j]! += x * (to[k]![j]! - outputs[j]!);
      }
    }
  for (let pivot = 0; pivot < n; pivot++)
    for (let i = 0; i < n; i++) {
      if (i === pivot) continue;
      const factor = lines[i]![pivot]! / lines[pivot]![pivot]!;
      for (let j = pivot; j < 2 * n; j++) lines[i]![j]! -= factor * lines[pivot]![j]!;
    }
  const matrix = new Float32Array(n * n);
  for (let i = 0; i < n; i++) for (let j = 0; j < n; j++) matrix[j * n + i] = lines[i]![n + j]! / lines[i]![i]! / scale;
  const said = (row: Float32Array) =>
    outputs.map((_, j) => row.reduce((sum, x, i) => sum + (x - inputs[i]!) * matrix[j * n + i]!, 0));
  const meanSquare = (rows: readonly Float32Array[]) =>
    averages(rows.map((row) => row.map((x) => x * x))).reduce((a, b) => a + b) / n;
  return {
    ...{ matrix, inputs, outputs, spread: Math.sqrt(meanSquare(from.map(said))) },
    error(of: readonly Float32Array[], wanted: readonly Float32Array[]) {
      const centred = wanted.map((row) => row.map((x, j) => x - outputs[j]!));
      const missed = of.map((row, k) => said(row).map((x, j) => centred[k]![j]! - x));
      return meanSquare(missed) / meanSquare(centred);
    },
  };
}
