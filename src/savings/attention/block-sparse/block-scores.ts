import { evalCost } from "../../../graph/index.ts";
import { Buffer, type View } from "../../../runtime/buffer.ts";
import type { Program } from "../../../runtime/program.ts";
import { type PlacedChunk, queriesOf, sizesOf } from "./chooser.ts";
import type { BlockShape } from "./graphs.ts";

/** The inputs of a program that scores blocks, except a head's queries. */
export interface ScoreInputs {
  readonly shared: Readonly<Record<string, View>>;
  /** The shape in which the program takes a head's keys. */
  readonly keys: readonly [rows: number, width: number];
  /** The shape of one key–value head's scores. */
  shapeOf(group: number, rows: number, cols: number): number[];
}

/** Scores blocks, [heads, rows, cols], with a program for one key–value head at a time; billed as overhead. */
export async function scoreBlocks(
  program: Program,
  placed: PlacedChunk,
  shape: BlockShape,
  { shared, keys: [keyRows, width], shapeOf }: ScoreInputs,
): Promise<Float32Array> {
  const { chunk, bill } = placed;
  const { rows, cols } = sizesOf(chunk, shape);
  const group = shape.heads / shape.kvHeads;
  using scores = new Buffer("f32", shape.heads * rows * cols);
  for (let h = 0; h < shape.kvHeads; h++) {
    const keys = chunk.cache.head(chunk.layer, h, keyRows, width).key;
    const part = scores.view(shapeOf(group, rows, cols), h * group * rows * cols);
    await program.bind({ ...shared, q: queriesOf(placed, shape, h), keys, scores: part }).run();
    bill.overhead(evalCost(program.cost, { rows, cols }));
  }
  return new Float32Array(scores.memory).slice();
}

/**
 * [rows, cols]: 0 if row i sees column j, that is, j ≤ offset + i; else −∞. Rows from `valid` on are padding and see
 * only column 0.
 */
export function causalMask(rows: number, cols: number, offset: number, valid: number): Buffer {
  const mask = new Buffer("f32", rows * cols);
  const values = new Float32Array(mask.memory).fill(0);
  for (let i = 0; i < rows; i++)
    values.fill(Number.NEGATIVE_INFINITY, i * cols + (i < valid ? offset + i : 0) + 1, (i + 1) * cols);
  return mask;
}
