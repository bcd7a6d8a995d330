/** Runs texts through an encoder's graph, for tests that compare outputs. */
import { expect } from "vitest";
import { evalShape, type Graph } from "../../graph/index.ts";
import { count } from "../../graph/ndarray.ts";
import { Buffer, type View } from "../../runtime/buffer.ts";
import { Program } from "../../runtime/program.ts";
import type { Weights } from "../../weights/prepared/weights.ts";

/** Ids, and token types if the model has them. */
export interface Texts {
  readonly texts: readonly (readonly number[])[];
  readonly types?: readonly (readonly number[])[];
}

function view(dtype: "i64" | "i32", shape: number[], values: readonly number[]): View {
  const buffer = new Buffer(dtype, count(shape));
  if (dtype === "i64") new BigInt64Array(buffer.memory).set(values.map(BigInt));
  else new Int32Array(buffer.memory).set(values);
  return buffer.view(shape);
}

/** The graph's output for texts as one batch, padded to `tokens`. Weights that are not constants of the graph are bound as `inputs`. */
export async function run(
  { weights, inputs = {} }: { weights?: Pick<Weights, "commit">; inputs?: Readonly<Record<string, View>> },
  trace: () => Graph,
  { texts, types }: Texts,
  tokens = Math.max(...texts.map((t) => t.length)),
): Promise<Float32Array> {
  const graph = trace();
  weights?.commit();
  using program = await Program.compile(graph);
  const shape = [texts.length, tokens];
  const padded = (rows: readonly (readonly number[])[], filler: number) =>
    rows.flatMap((row) => [...row, ...new Array(tokens - row.length).fill(filler)]);
  const { name, tensor } = graph.outputs[0]!;
  const outShape = evalShape(tensor.shape, { batch: texts.length, tokens });
  const out = new Buffer("f32", count(outShape));
  const views = {
    ids: view("i64", shape, padded(texts, 1)),
    mask: view(
      "i32",
      shape,
      padded(
        texts.map((t) => t.map(() => 1)),
        0,
      ),
    ),
    types: view("i64", shape, padded(types ?? texts.map((t) => t.map(() => 0)), 0)),
    [name]: out.view(outShape),
  };
  await program.bind({ ...inputs, ...views }).run();
  const result = new Float32Array(out.memory).slice();
  for (const { buffer } of Object.values(views)) buffer[Symbol.dispose]();
  return result;
}

/** Rows of tokens without padding: `width` values each. */
export function unpadded(rows: Float32Array, texts: Texts["texts"], width: number): number[] {
  const tokens = rows.length / width / texts.length;
  return texts.flatMap((t, i) => [...rows.subarray(i * tokens * width, (i * tokens + t.length) * width)]);
}

export function difference(got: ArrayLike<number>, expected: ArrayLike<number>): number {
  expect(got.length).toBe(expected.length);
  const gaps = Array.from(got, (v, i) => (Number.isNaN(v) ? Number.POSITIVE_INFINITY : Math.abs(v - expected[i]!)));
  return Math.max(...gaps);
}
