import { expect, test } from "vitest";
import { type ConstantData, Graph, gather, matmulTransposed, type Tensor } from "../graph/index.ts";
import { interpret } from "../graph/interpret.testing.ts";
import { ndarray } from "../graph/ndarray.ts";
import { lookUpBeside, scoreBeside, tokensWith } from "./token-rows.ts";

const [TABLE, WIDTH] = [6, 2];
const table = Array.from({ length: TABLE * WIDTH }, (_, i) => i + 1);

/** The equivalent single table, with the extra rows in place. */
function wide(ids: readonly number[], rows: readonly number[]): number[] {
  const all = [...table, ...new Array((tokensWith(TABLE, ids) - TABLE) * WIDTH).fill(0)];
  for (const [i, id] of ids.entries()) all.splice(id * WIDTH, WIDTH, ...rows.slice(i * WIDTH, (i + 1) * WIDTH));
  return all;
}

function valuesOf({ dtype }: Tensor, data: ConstantData): number[] {
  if (data.kind !== "memory") throw new Error("a constant is in a file");
  const { buffer } = data.bytes;
  return dtype === "i64" ? [...new BigInt64Array(buffer)].map(Number) : [...new Float32Array(buffer)];
}

test.each([
  ["behind the table", [6, 7]],
  ["in their places", [1, 4]],
  ["at both ends", [0, 5]],
  ["over the table's end", [4, 5, 6, 7]],
  ["in runs", [1, 2, 4, 6]],
  ["every one", [0, 1, 2, 3, 4, 5]],
])("tokens' rows %s: vectors and logits equal one table's", (_, ids) => {
  const rows = Array.from({ length: ids.length * WIDTH }, (_, i) => -(i + 1) / 8);
  const all = wide(ids, rows);
  const tokens = all.length / WIDTH;
  const g = new Graph();
  const [tokenIds, x] = [g.input("ids", "i64", [tokens]), g.input("x", "f32", [3, WIDTH])];
  const base = g.input("table", "f32", [TABLE, WIDTH]);
  const own = { ids, rows: g.input("rows", "f32", [ids.length, WIDTH]) };
  g.output(
    "vectors",
    lookUpBeside(g, tokenIds, own, TABLE, (some) => gather(base, some, 0)),
  );
  g.output("logits", scoreBeside(matmulTransposed(x, base), x, own));
  const constants = g.constants.map(({ name, tensor, data }) => [
    name,
    ndarray(tensor.shape.map(Number), valuesOf(tensor, data)),
  ]);
  const result = interpret(
    g,
    {
      ...Object.fromEntries(constants),
      ids: ndarray(
        [tokens],
        Array.from({ length: tokens }, (_, i) => i),
      ),
      x: ndarray([3, WIDTH], [1, 2, -3, 0.5, 0, 1]),
      table: ndarray([TABLE, WIDTH], table),
      rows: ndarray([ids.length, WIDTH], rows),
    },
    {},
  );
  expect([...result["vectors"]!.data]).toEqual(all);
  const logits = [1, 2, -3, 0.5, 0, 1];
  const expected = [0, 1, 2].flatMap((row) =>
    Array.from({ length: tokens }, (_, t) =>
      [0, 1].reduce((sum, k) => sum + logits[row * WIDTH + k]! * all[t * WIDTH + k]!, 0),
    ),
  );
  expect([...result["logits"]!.data]).toEqual(expected);
});
