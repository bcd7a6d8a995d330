import { add, mul, sameShape } from "../dim.ts";
import { around, ndarray } from "../ndarray.ts";
import type { Op } from "../op.ts";
import { apply1, ShapeError, showType } from "../op.ts";
import type { Tensor } from "../tensor.ts";
import { sizeInBytes } from "../tensor.ts";
import { full } from "./reduce.ts";

const gatherOp: Op<{ axis: number }> = {
  name: "gather",
  operands: ["x", "indices"],
  table: 0,
  infer([x, indices], { axis }) {
    if (x!.shape[axis] === undefined)
      throw new ShapeError("gather", "x", showType(x!), `at least ${axis + 1} dimensions`);
    if (indices!.dtype !== "i64") throw new ShapeError("gather", "indices", showType(indices!), "i64");
    return [{ dtype: x!.dtype, shape: [...x!.shape.slice(0, axis), ...indices!.shape, ...x!.shape.slice(axis + 1)] }];
  },
  onnx: (emit, { inputs, outputs }, { axis }) => emit.node("Gather", inputs, outputs, { axis: { int: axis } }),
  cost: ([, indices], [y]) => ({ read: add(sizeInBytes(indices!), sizeInBytes(y!)), written: sizeInBytes(y!) }),
  gradient: ({ inputs: [x, indices], given: [dy], attrs: { axis } }) => [scatterAdd(full(x!, 0), indices!, dy!, axis)],
  reference([x, indices], { axis }) {
    const { outer, size, inner } = around(x!.shape, axis);
    const y = ndarray([...x!.shape.slice(0, axis), ...indices!.shape, ...x!.shape.slice(axis + 1)]);
    for (let o = 0; o < outer; o++)
      for (const [i, index] of indices!.data.entries()) {
        const from = (o * size + index) * inner;
        y.data.set(x!.data.subarray(from, from + inner), (o * indices!.data.length + i) * inner);
      }
    return [y];
  },
};

/** The slices of x along `axis` that `indices` (i64) name, in its shape. */
export const gather = (x: Tensor, indices: Tensor, axis: number): Tensor => apply1(gatherOp, [x, indices], { axis });

const scatterOp: Op<{ axis: number }> = {
  name: "scatterAdd",
  operands: ["base", "indices", "updates"],
  infer([base, indices, updates], { axis }) {
    if (indices!.dtype !== "i64") throw new ShapeError("scatterAdd", "indices", showType(indices!), "i64");
    const shape = base!.shape.toSpliced(axis, 1, ...indices!.shape);
    if (!sameShape(updates!.shape, shape))
      throw new ShapeError("scatterAdd", "updates", showType(updates!), `[${shape.join(", ")}]`);
    return [base!];
  },
  // ScatterND with a reduction is wrong if an index comes twice and two threads run (ONNX Runtime 1.32).
  onnx(emit, { inputs: [base, indices, updates], outputs, types }, { axis }) {
    const rank = types[0]!.shape.length;
    const before = types[0]!.shape.slice(0, axis).map((d) => (typeof d === "number" ? d : 0));
    const after = types[0]!.shape.slice(axis + 1).map(Number);
    const rows = emit.value("Reshape", [updates!, emit.ints([...before, -1, ...after])]);
    const column = emit.ints(Array.from({ length: rank }, (_, a) => (a === axis ? -1 : 1)));
    const places = emit.value("Expand", [emit.value("Reshape", [indices!, column]), emit.value("Shape", [rows])]);
    const attrs = { axis: { int: axis }, reduction: { string: "add" } };
    emit.node("ScatterElements", [base!, places, rows], outputs, attrs);
  },
  // Bound to one buffer as base and output, the rest of it is not touched.
  cost([, indices, updates]) {
    const rows = sizeInBytes(updates!);
    return { read: add(sizeInBytes(indices!), mul(2, rows)), written: rows };
  },
  gradient: ({ inputs: [, indices], given: [dy], wanted, attrs: { axis } }) => [
    dy,
    undefined,
    wanted[2] ? gather(dy!, indices!, axis) : undefined,
  ],
  reference([base, indices, updates], { axis }) {
    const { outer, size, inner } = around(base!.shape, axis);
    const n = indices!.data.length;
    const data = base!.data.slice();
    for (let o = 0; o < outer; o++)
      for (const [i, index] of indices!.data.entries())
        for (let at = 0; at < inner; at++)
          data[(o * size + index) * inner + at]! += updates!.data[(o * n + i) * inner + at]!;
    return [{ shape: base!.shape, data }];
  },
};

/**
 * `base` with `updates` added to the slices along `axis` that `indices` (i64, of any shape, which the updates have in the axis's place)
 * name; an index may come again. Bound to one buffer as base and result, it adds in place.
 */
export const scatterAdd = (base: Tensor, indices: Tensor, updates: Tensor, axis: number): Tensor =>
  apply1(scatterOp, [base, indices, updates], { axis });
