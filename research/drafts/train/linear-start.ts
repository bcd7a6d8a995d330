import { Graph, matmul, sym, transpose } from "../../../src/graph/index.ts";
import { Buffer } from "../../../src/runtime/buffer.ts";
import { Program } from "../../../src/runtime/program.ts";
import { cholesky, solveCholesky } from "../../../src/util/cholesky.ts";

/** Penalty of the weights, as a share of the inputs' mean square. */
const PENALTY = 1e-3;

/** Inputs [count, from] with outputs [count, to]. */
export interface Examples {
  readonly x: Float32Array;
  readonly y: Float32Array;
}

/**
 * The matrix W [to, from] that minimises |y − W·x|² by ridge regression. `most`: the maximum number of examples per
 * batch.
 */
export async function linearStart(
  batches: Iterable<Examples>,
  { from, to, most }: { readonly from: number; readonly to: number; readonly most: number },
): Promise<Float32Array> {
  const [gram, cross] = [new Float64Array(from * from), new Float64Array(from * to)];
  using x = new Buffer("f32", most * from);
  using y = new Buffer("f32", most * to);
  using xx = new Buffer("f32", from * from);
  using xy = new Buffer("f32", from * to);
  using program = await Program.compile(products(from, to));
  let examples = 0;
  for (const batch of batches) {
    const count = batch.x.length / from;
    new Float32Array(x.memory).set(batch.x);
    new Float32Array(y.memory).set(batch.y);
    const outputs = { xx: xx.view([from, from]), xy: xy.view([from, to]) };
    await program.bind({ x: x.view([count, from]), y: y.view([count, to]), ...outputs }).run();
    for (const [sum, part] of [[gram, xx] as const, [cross, xy] as const])
      for (const [i, value] of new Float32Array(part.memory).entries()) sum[i]! += value;
    examples += count;
  }
  for (let i = 0; i < from; i++) gram[i * from + i]! += PENALTY * examples;
  const lower = cholesky(gram, from);
  const weights = new Float32Array(to * from);
  for (let out = 0; out < to; out++) {
    const column = Float64Array.from({ length: from }, (_, i) => cross[i * to + out]!);
    solveCholesky(lower, from, column);
    weights.set(column, out * from);
  }
  return weights;
}

function products(from: number, to: number): Graph {
  const g = new Graph();
  const [x, y] = [g.input("x", "f32", [sym("n"), from]), g.input("y", "f32", [sym("n"), to])];
  const turned = transpose(x, [1, 0]);
  g.output("xx", matmul(turned, x));
  g.output("xy", matmul(turned, y));
  return g;
}
